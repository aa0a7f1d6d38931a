import { BEHAVIOURS, REFUSE_CONNECTIONS, REFUSE_SUMMARY } from './behaviour-table.ts';

/** Every behaviour, a line each, for a terminal. */
export function behaviourHelp(): string {
  const kinds = Object.entries(BEHAVIOURS).map(([name, { summary }]) => [name, summary] as const);
  return [...kinds, [REFUSE_CONNECTIONS, REFUSE_SUMMARY] as const]
    .map(([name, summary]) => `  ${name.padEnd(24)}${summary}`)
    .join('\n');
}
