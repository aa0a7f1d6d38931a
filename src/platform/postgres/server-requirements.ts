import pg from 'pg';

/** The oldest server whose SQL we use. */
const MIN_VERSION = 150_000;
/** Without any of these an acknowledged commit can be lost or a page torn: then nothing above can be trusted (R7). */
const DURABILITY = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

/** What stands against running on this server, each fit to be shown; empty if nothing. */
export async function unmetRequirements(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'lastro requirements' });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      'select name, setting from pg_settings where name = any($1)',
      [[...DURABILITY, 'server_version_num', 'server_encoding']],
    );
    const settings = new Map(rows.map((row) => [row.name, row.setting]));
    const unmet: string[] = [];
    for (const name of DURABILITY) {
      if (settings.get(name) === 'off')
        unmet.push(`the server runs with ${name}=off: commits could be lost; set it to on`);
    }
    const version = Number(settings.get('server_version_num'));
    if (version < MIN_VERSION)
      unmet.push(`the server is PostgreSQL ${version / 10_000}; 15 or later is needed`);
    const encoding = settings.get('server_encoding');
    if (encoding !== 'UTF8') unmet.push(`the database's encoding is ${encoding}; UTF8 is needed`);
    return unmet;
  } finally {
    await client.end();
  }
}
