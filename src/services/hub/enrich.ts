/** A message with what was found for it (H8). Pure. */
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import type { ConnectorDefinition, Enrichment } from './connector.ts';
import { MESSAGE_MAX_BYTES } from './evaluation/job.ts';
import type { IntegrationEnriched, IntegrationFailed, IntegrationRefused } from './events.ts';
import type { Said } from './said.ts';

/** What an enrichment has found: JSON as text, or nothing. */
export interface Found {
  /** Of the enrichment in the connector. */
  readonly index: number;
  readonly value: string | null;
}

export interface Enriched {
  readonly connector: string;
  readonly connector_version: number;
  readonly message: string;
  readonly route: string;
}

/** Each table's answer, for the keys that were evaluated; HTTP look-ups are left out. Keys are JSON as text. */
export function lookUpTables(definition: ConnectorDefinition, keys: readonly string[]): Found[] {
  const { enrichment = [], tables = {} } = definition;
  return enrichment.flatMap((each, index) => {
    if (each.type !== 'table') return [];
    const key = keyText(keys[index]);
    const table = tables[each.table] ?? {};
    const isThere = key !== null && Object.hasOwn(table, key);
    return { index, value: isThere ? (table[key] ?? null) : null };
  });
}

/** A key as it is looked up: a text or a number; null for anything else. */
export function keyText(key: string | undefined): string | null {
  const value: unknown = key === undefined ? null : JSON.parse(key);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

export function enrich(
  { connector, connector_version, message, route }: Enriched,
  definition: ConnectorDefinition,
  found: readonly Found[],
): Said {
  const through = { connector, connector_version };
  const { enrichment = [] } = definition;
  const missing = found.find(({ index, value }) => value === null && isRequired(enrichment[index]));
  if (missing !== undefined) {
    const detail = `Nothing was found for ${enrichment[missing.index]?.into ?? 'a member'}.`;
    const failure = { step: 'enrichment', code: 'hub.look_up_missing', detail } as const;
    const data: IntegrationRefused = { ...through, ...failure, errors: [] };
    return { type: 'integration.refused', data, status: 'refused', failure };
  }
  const text = withFound(message, enrichment, found);
  if (text === undefined || Buffer.byteLength(text) > MESSAGE_MAX_BYTES) {
    const detail =
      text === undefined
        ? 'The message is no object, so nothing can be added to it.'
        : `The message has more than ${MESSAGE_MAX_BYTES} bytes with what was added to it.`;
    const failure = { step: 'enrichment', code: 'hub.not_enrichable', detail } as const;
    const data: IntegrationFailed = { ...through, ...failure, tries: 0, undo: null, message: null };
    return { type: 'integration.failed', data, status: 'failed', failure };
  }
  const data: IntegrationEnriched = { ...through, message: text, route };
  return { type: 'integration.enriched', data, status: 'enriched' };
}

function isRequired(each: Enrichment | undefined): boolean {
  return each?.missing !== 'null';
}

function withFound(
  message: string,
  enrichment: readonly Enrichment[],
  found: readonly Found[],
): string | undefined {
  if (found.length === 0) return message;
  const value = JSON.parse(message) as JsonValue;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const members: Record<string, JsonValue> = { ...(value as JsonObject) };
  for (const { index, value: text } of found) {
    const into = enrichment[index]?.into;
    if (into !== undefined) members[into] = text === null ? null : (JSON.parse(text) as JsonValue);
  }
  return JSON.stringify(members);
}
