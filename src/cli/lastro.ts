/** The `lastro` command: reads settings from the environment, hands over to the command's own file. */
import { enableCompileCache } from 'node:module';
import { Command } from 'commander';
import { behaviourHelp } from '../../sandbox/provider/behaviour-help.ts';
import { addDeadLetterCommands } from './dead-letter-commands.ts';
import { addFindingCommands } from './finding-commands.ts';
import type { ImportEntriesOptions } from './import-entries.ts';
import { addKeyCommands } from './key-commands.ts';
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

addKeyCommands(program);
addDeadLetterCommands(program);
addFindingCommands(program);

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
