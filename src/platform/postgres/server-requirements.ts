import pg from 'pg';
import { Fault } from '#kernel/fault.ts';
import { SERVICE_ROLE, Session, statement } from './session.ts';

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

const ASSUMED = statement(
  'requirements.assumed',
  `select current_user as role, current_setting('lock_timeout') as "lockTimeout"`,
);

/**
 * Throws where a session does not get what it asks for as it connects: a pooler that was told to pass that over leaves the
 * owner's power over the books, and no limit of time (R7). The role has to be there.
 */
export async function requireOwnSessions(url: string): Promise<void> {
  const session = new Session({ url, name: 'requirements' });
  try {
    const [assumed] = await session.query<{ role: string; lockTimeout: string }>(ASSUMED, []);
    if (assumed?.role === SERVICE_ROLE && assumed.lockTimeout !== '0') return;
    throw new Fault(
      `a session runs as ${assumed?.role} and not as ${SERVICE_ROLE}: what lies between this process and the server passes over ` +
        'what sessions ask for (options); connect to the server itself, not through a pooler',
      { transient: false },
    );
  } finally {
    await session.close();
  }
}
