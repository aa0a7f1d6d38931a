/** The `lastro` command: reads settings from the environment, hands over to the command's own file. */
import { enableCompileCache } from 'node:module';
import { Command } from 'commander';
import { behaviourHelp } from '../../sandbox/provider/behaviour-help.ts';
import type { GroupOptions, ListOptions, OrderOptions, SetOptions } from './dead-letters.ts';
import type { ImportEntriesOptions } from './import-entries.ts';
import { readVersion } from './read-version.ts';
import type { SandboxProviderOptions } from './sandbox-provider.ts';

enableCompileCache();

/**
 * Who reads may leave before us: `| head`, a `tee` that the same Ctrl-C ended, a terminal that was closed. Nobody is left to
 * tell, and what is under way ends as it would have.
 */
const READER_GONE = new Set(['EPIPE', 'EIO']);
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!READER_GONE.has(error.code ?? '')) throw error;
  });

/** What was asked is not understood: not a verdict of `verify`, whose exit status is 1. */
const NOT_UNDERSTOOD = 2;

const program = new Command('lastro')
  .description('A self-hosted payments core')
  .version(readVersion(), '-V, --version', 'print the version')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_UNDERSTOOD))
  .showHelpAfterError()
  .configureHelp({ sortSubcommands: true });

program
  .command('start')
  .description('start the services that LASTRO_SERVICES names (all by default)')
  .action(async () => (await import('./start.ts')).start());

program
  .command('migrate')
  .description('bring the database to the state of this version, and end')
  .action(async () => (await import('./migrate.ts')).migrateOnly());

program
  .command('config')
  .description('show every setting: its value, its default, what it means')
  .action(async () => (await import('./config.ts')).showConfig());

const BY_DEFAULT = 'by default the sandbox tenant; LASTRO_MODE=production has no default';
const keys = program.command('keys').description('API keys');
keys
  .command('create')
  .description('create a key and print it, once')
  .option('--tenant <id>', `whose key it is, made if it does not exist; ${BY_DEFAULT}`)
  .option('--name <text>', 'for people: who uses it', 'cli')
  .option('--scopes <list>', 'comma-separated; /openapi.json names the one of each route', '*')
  .action(async (options: { tenant?: string; name: string; scopes: string }) =>
    (await import('./keys.ts')).createKey(options),
  );
keys
  .command('list')
  .description('list the keys of a tenant, without their secrets')
  .option('--tenant <id>', `whose keys; ${BY_DEFAULT}`)
  .action(async (options: { tenant?: string }) => (await import('./keys.ts')).listKeys(options));
keys
  .command('revoke <id>')
  .description('revoke a key, by its id or by the key itself; effective within a second on every process')
  .option('--tenant <id>', `whose key it is; ${BY_DEFAULT}`)
  .action(async (id: string, options: { tenant?: string }) =>
    (await import('./keys.ts')).revokeKey(id, options),
  );

const OF_TENANT = `whose dead letters; ${BY_DEFAULT}`;
const deadLetters = program
  .command('dead-letters')
  .description('what has failed for good: events, calls of connectors, deliveries of webhooks');
deadLetters
  .command('list')
  .description('list dead letters, newest first')
  .option('--tenant <id>', OF_TENANT)
  .option('--state <state>', 'open, replayed, skipped or discarded', 'open')
  .option('--group <name>', 'of this consumer group')
  .option('--target <name>', 'given up at this connector or webhook endpoint')
  .option('--limit <number>', 'at most so many', '50')
  .action(async (options: ListOptions) => (await import('./dead-letters.ts')).listDeadLetters(options));
deadLetters
  .command('groups')
  .description('count what has failed alike, most first')
  .option('--tenant <id>', OF_TENANT)
  .option('--state <state>', 'open, replayed, skipped or discarded', 'open')
  .option('--group <name>', 'of this consumer group')
  .option('--target <name>', 'given up at this connector or webhook endpoint')
  .action(async (options: GroupOptions) => (await import('./dead-letters.ts')).groupDeadLetters(options));
deadLetters
  .command('show <id>')
  .description('show one: its event, its failure, what waits behind it, and what was done')
  .option('--tenant <id>', OF_TENANT)
  .action(async (id: string, options: { tenant?: string }) =>
    (await import('./dead-letters.ts')).showDeadLetter(id, options),
  );
deadLetters
  .command('replay <id>')
  .description('have it tried once more; what waits behind an event follows')
  .option('--tenant <id>', OF_TENANT)
  .option('--data <json>', 'instead of the event’s own data, or of the message')
  .option('--reason <text>', 'kept in the audit')
  .action(async (id: string, options: OrderOptions) =>
    (await import('./dead-letters.ts')).orderDeadLetter('replay', id, options),
  );
for (const [action, description] of [
  ['replay', 'have all that are open and match tried once more, in the background'],
  ['discard', 'give up all that are open and match, in the background; needs a reason, and a filter'],
] as const)
  deadLetters
    .command(`${action}-all`)
    .description(description)
    .option('--tenant <id>', OF_TENANT)
    .option('--group <name>', 'of this consumer group')
    .option('--target <name>', 'given up at this connector or webhook endpoint')
    .option('--error-code <code>', 'that failed with this')
    .option('--reason <text>', 'kept in the audit')
    .action(async (options: SetOptions) => (await import('./dead-letters.ts')).orderAll(action, options));
for (const [action, description] of [
  ['skip', 'pass over the event for good, and go on with what waits behind it'],
  ['discard', 'give up the event and all that waits behind it now'],
] as const)
  deadLetters
    .command(`${action} <id>`)
    .description(description)
    .option('--tenant <id>', OF_TENANT)
    .requiredOption('--reason <text>', 'kept in the audit')
    .action(async (id: string, options: OrderOptions) =>
      (await import('./dead-letters.ts')).orderDeadLetter(action, id, options),
    );

const findings = program
  .command('findings')
  .description('what the integrity service found wrong, of all tenants and of the installation');
findings
  .command('list')
  .description('list those that are not closed, newest first')
  .option('--limit <number>', 'at most so many', '50')
  .action(async (options: { limit: string }) => (await import('./findings.ts')).listFindings(options));
findings
  .command('show <id>')
  .description('show one: the events that show it, and what was done about it')
  .action(async (id: string) => (await import('./findings.ts')).showFinding(id));
for (const [verb, description] of [
  ['acknowledge', 'take it over: nothing more is repaired by itself'],
  ['resolve', 'say that it is dealt with; a fact of the logs is not opened again'],
] as const)
  findings
    .command(`${verb} <id>`)
    .description(description)
    .requiredOption('--reason <text>', 'kept with who said it')
    .action(async (id: string, options: { reason: string }) =>
      (await import('./findings.ts')).settleFinding(verb, id, options),
    );

program
  .command('import-entries')
  .description(
    'record the lines of a CSV file as cash entries, by the API of a running process; exit status 1 if a line fails, 2 if the file could not be sent',
  )
  .argument('<file>', 'with a first line that names its columns')
  .option('--account <id>', 'the cash book of all lines; by default the file has a column account_id')
  .option('--on-error <what>', 'keep the other lines, or record none', 'keep')
  .option('--url <url>', 'of the process; by default the one of LASTRO_PORT on this machine')
  .option('--key <key>', 'an API key; by default LASTRO_API_KEY, which the sandbox does not need')
  .action(async (file: string, options: ImportEntriesOptions) =>
    (await import('./import-entries.ts')).importEntries(file, options),
  );

program
  .command('verify')
  .description(
    'recompute everything from the logs and compare it with the tables; exit status 1 if anything differs, 2 if that could not be found out',
  )
  .option('--json', 'the report as JSON')
  .option('--repair', 'hand what differs to the running integrity service')
  .option('--keys <place>', 'file or URL of the only public keys whose checkpoints are believed')
  .option(
    '--checkpoints <file>',
    'copies of checkpoints, as the API gave them: they must be stored, unchanged',
  )
  .action(async (options: { json?: boolean; repair?: boolean; keys?: string; checkpoints?: string }) =>
    (await import('./verify.ts')).verifyCommand(options),
  );

program
  .command('verify-receipt')
  .description(
    'check a receipt offline, with nothing but the public key; exit status 1 if it proves nothing, 2 if it could not be checked',
  )
  .argument('<file>', 'what GET /v1/payments/{id}/receipt gave')
  .option(
    '--keys <place>',
    'file or URL of the public key: a JWK Set as at /.well-known/lastro-keys, a JWK, or PEM; by default that of the signing key on this machine',
  )
  .action(async (file: string, options: { keys?: string }) =>
    (await import('./verify-receipt.ts')).verifyReceiptCommand(file, options),
  );

program
  .command('rebuild')
  .description('make the read models anew from the logs, while payments come in')
  .argument('[models...]', 'payments, refunds, verdicts, notifications, days; all by default')
  .action(async (models: string[]) => (await import('./rebuild.ts')).rebuildCommand(models));

program
  .command('bench')
  .description('measure the whole product under load, against two yardsticks')
  .allowUnknownOption()
  .helpOption(false)
  .argument('[args...]')
  .action(async (args: string[]) =>
    (await import('./separate-program.ts')).runSeparateProgram('bench/main.ts', args),
  );

program
  .command('torture')
  .description(
    'break everything around two processes while callers pay, and judge that nothing was lost or doubled',
  )
  .allowUnknownOption()
  .helpOption(false)
  .argument('[args...]')
  .action(async (args: string[]) =>
    (await import('./separate-program.ts')).runSeparateProgram('torture/main.ts', args),
  );

program
  .command('sandbox-provider')
  .description('run one payment provider of the sandbox in the foreground; npm start runs two by itself')
  .option('--name <name>', 'whose book, key and port: npm start uses alfa and beta', 'alfa')
  .option('--port <number>', '0: the one of last time, or a free one', '0')
  .option('--callback-url <url>', 'http://…, called back beside the Lastro processes that use this provider')
  .option('--latency-ms <number>', 'before every answer about charges and refunds', '0')
  .addHelpText('after', () => `\nBehaviours, ordered by POST /behaviours:\n${behaviourHelp()}`)
  .action(async (options: SandboxProviderOptions) =>
    (await import('./sandbox-provider.ts')).sandboxProvider(options),
  );

await program.parseAsync();
