/** What a proof says of a damaged installation, where the damage shows. */
import { type VerifyScope, verify } from '#proof/verify.ts';

/** Where what is damaged in a schema is looked for; elsewhere everywhere. */
const SCOPES: Readonly<Record<string, VerifyScope>> = {
  payments: 'sagas',
  authorization: 'sagas',
  providers: 'sagas',
  notification: 'sagas',
  cards: 'sagas',
  cashflow: 'sagas',
  consolidation: 'books',
};

/** Each as a text. */
export async function findingsOf(url: string, scope: VerifyScope = 'everything'): Promise<string[]> {
  const { checks } = await verify({ url, scope, connections: 1 });
  return checks.flatMap(({ name, findings }) =>
    findings.map(({ kind, subject }) => `${name} ${kind} ${subject}`),
  );
}

/** `table`: with its schema. */
export function findingsAbout(url: string, table: string): Promise<string[]> {
  return findingsOf(url, SCOPES[table.slice(0, table.indexOf('.'))]);
}
