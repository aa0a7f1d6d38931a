/** What the destination needs beside the message: from tables at once, from elsewhere by a call. */

import { TIMEOUT_DEFAULT_MS } from '../calls/call.ts';
import type { Enrichment } from '../connector.ts';
import { enrich, keyText, lookUpTables } from '../enrich.ts';
import { sourceOf } from '../evaluation/source.ts';
import type { RulesApplied } from '../events.ts';
import type { Step } from './step.ts';

export const enrichmentStep: Step<RulesApplied> = {
  name: 'enrichment',
  group: 'hub.enrichment',
  after: { 'integration.rules_applied': 'rules_applied' },
  calls: 'enrichment',
  jobsOf({ message }, { enrichment = [] }) {
    if (enrichment.length === 0) return [];
    const source = sourceOf(enrichment, (all) => all.map(({ key }) => key));
    return [{ kind: 'values', source, message }];
  },
  decide(data, definition, [result]) {
    const keys = result?.kind === 'values' ? result.values : [];
    const { enrichment = [] } = definition;
    if (!enrichment.some(({ type }) => type === 'http'))
      return enrich(data, definition, lookUpTables(definition, keys));
    const { message, route } = data;
    const timeoutMs = enrichment.reduce((sum, each) => sum + timeoutOf(each), 0);
    return { call: { destination: '', request: { message, route, keys: keys.map(keyText) }, timeoutMs } };
  },
};

/** They are asked one behind the other. */
function timeoutOf(each: Enrichment): number {
  return each.type === 'http' ? (each.timeout_ms ?? TIMEOUT_DEFAULT_MS) : 0;
}
