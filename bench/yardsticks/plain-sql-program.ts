import { measurePlainSql, type PlainSqlJob } from './plain-sql.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as PlainSqlJob;
process.stdout.write(JSON.stringify(await measurePlainSql(job)));
