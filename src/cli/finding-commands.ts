/** `lastro findings …` */
import type { Command } from 'commander';

export function addFindingCommands(program: Command): void {
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
}
