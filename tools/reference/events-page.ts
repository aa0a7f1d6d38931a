import type { EventContract, Schema } from '../../tests/event-contracts.ts';
import { table } from './table.ts';

/** docs/reference/events.md, whole: every event of every log, from the schema files that are their contracts. */
export function renderEventsPage(contracts: readonly EventContract[]): string {
  const byService = Map.groupBy(contracts, ({ service }) => service);
  const sections = [...byService].map(
    ([service, own]) => `## ${service}\n\n${own.map(eventOf).join('\n\n')}`,
  );
  return `# Events

Every service appends to one log, its topic, which has its name. An event is committed together with what it tells of,
never changes and is never taken back. Its identity is \`topic/partition/position\`.

| column | meaning |
| --- | --- |
| \`type\`, \`version\` | which of the contracts below \`data\` keeps |
| \`subject\` | the id of what it is about: a payment, an account, a journal entry |
| \`tenant\`, \`key\` | their hash is the partition; events of one key are in order |
| \`data\` | the members below, as the exact text that was hashed |
| \`occurred_at\` | when it was decided, to the millisecond, in UTC |
| \`correlation_id\` | of the request that began it all |
| \`causation\` | the identity of the event, or the id of the request, that caused it |
| \`traceparent\` | the W3C trace context of that request, or nothing |

A contract is the JSON Schema (draft 2020-12) that its heading links to. A published one never changes; a later version
reads all earlier ones. ? marks a member that may be missing.

${sections.join('\n\n')}
`;
}

function eventOf({ type, version, path, schema }: EventContract): string {
  const heading = `### [\`${type}\`](../../${path}) version ${version}`;
  const members = table(['member', 'value', 'meaning'], rowsOf(schema, ''));
  return `${heading}\n\n${schema.description}\n\n${members}`;
}

/** A row for each member, and under a list or an object one for each of its own. */
function rowsOf({ properties = {}, required = [] }: Schema, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, property]) => {
    const path = `${prefix}${name}`;
    const row = [
      `\`${path}\`${required.includes(name) ? '' : '?'}`,
      valueOf(property),
      property.description ?? '',
    ];
    const { items } = property;
    const nested = items === undefined ? rowsOf(property, `${path}.`) : rowsOf(items, `${path}[].`);
    return [row, ...nested];
  });
}

function valueOf(schema: Schema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  const kinds = [schema.type ?? 'any'].flat().join(' or ');
  return [kinds, ...boundsOf(schema)].join(', ');
}

function boundsOf(schema: Schema): string[] {
  return [
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    range(schema.minItems, schema.maxItems, ' items'),
    range(undefined, schema.maxProperties, ' members'),
    schema.format,
    schema.pattern === undefined ? undefined : code(schema.pattern),
  ].filter((bound) => bound !== undefined);
}

function range(least: number | undefined, most: number | undefined, unit: string): string | undefined {
  if (least === undefined) return most === undefined ? undefined : `at most ${most}${unit}`;
  return most === undefined ? `at least ${least}${unit}` : `${least} to ${most}${unit}`;
}

function code(value: string | number | boolean | null): string {
  return `\`${String(value)}\``;
}
