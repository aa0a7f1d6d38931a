/** `lastro dead-letters …` */
import type { Command } from 'commander';
import type { GroupOptions, ListOptions, OrderOptions, SetOptions } from './dead-letters.ts';
import { BY_DEFAULT } from './of-tenant.ts';

const OF_TENANT = `whose dead letters; ${BY_DEFAULT}`;

export function addDeadLetterCommands(program: Command): void {
  const deadLetters = program
    .command('dead-letters')
    .description('what has failed for good: events, calls of connectors, deliveries of webhooks');
  addReading(deadLetters);
  addReplay(deadLetters);
  addOrdersOfMany(deadLetters);
  addGivingUp(deadLetters);
}

function addReading(deadLetters: Command): void {
  listing(deadLetters.command('list').description('list dead letters, newest first'))
    .option('--limit <number>', 'at most so many', '50')
    .action(async (options: ListOptions) => (await import('./dead-letters.ts')).listDeadLetters(options));
  listing(deadLetters.command('groups').description('count what has failed alike, most first')).action(
    async (options: GroupOptions) => (await import('./dead-letters.ts')).groupDeadLetters(options),
  );
  deadLetters
    .command('show <id>')
    .description('show one: its event, its failure, what waits behind it, and what was done')
    .option('--tenant <id>', OF_TENANT)
    .action(async (id: string, options: { tenant?: string }) =>
      (await import('./dead-letters.ts')).showDeadLetter(id, options),
    );
}

function listing(command: Command): Command {
  return command
    .option('--tenant <id>', OF_TENANT)
    .option('--state <state>', 'open, replayed, skipped or discarded', 'open')
    .option('--group <name>', 'of this consumer group')
    .option('--target <name>', 'given up at this connector or webhook endpoint');
}

function addReplay(deadLetters: Command): void {
  deadLetters
    .command('replay <id>')
    .description('have it tried once more; what waits behind an event follows')
    .option('--tenant <id>', OF_TENANT)
    .option('--data <json>', 'instead of the event’s own data, or of the message')
    .option('--reason <text>', 'kept in the audit')
    .action(async (id: string, options: OrderOptions) =>
      (await import('./dead-letters.ts')).orderDeadLetter('replay', id, options),
    );
}

function addOrdersOfMany(deadLetters: Command): void {
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
}

function addGivingUp(deadLetters: Command): void {
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
}
