/** `lastro keys …` */
import type { Command } from 'commander';
import { BY_DEFAULT } from './of-tenant.ts';

export function addKeyCommands(program: Command): void {
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
}
