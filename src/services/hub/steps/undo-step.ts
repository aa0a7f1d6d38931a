/** The compensation (U5): the undo call of a destination, when a person asks, or when nobody knows whether it was delivered. */
import { pointerStep } from '#platform/http/json-pointer.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { ConnectorDefinition, HttpCall } from '../connector.ts';
import { sourceOf } from '../evaluation/source.ts';
import type { IntegrationFailed, UndoFailed, UndoRequested } from '../events.ts';
import type { Said } from '../said.ts';
import type { Reason, Step, Through } from './step.ts';

type Undoing = Through & JsonObject;

export const undoStep: Step<Undoing> = {
  name: 'undo',
  group: 'hub.undo',
  after: { 'integration.undo_requested': 'undoing', 'integration.failed': 'undoing' },
  concerns: (event) => toUndo(event.data) !== undefined,
  calls: 'undo',
  fail: undoFailed,
  jobsOf(data, definition) {
    const undo = toUndo(data);
    const call = undo === undefined ? undefined : undoOf(definition, undo.destination);
    if (undo === undefined || call?.body === undefined) return [];
    return [{ kind: 'values', source: sourceOf(call, ({ body }) => [body]), message: undo.message }];
  },
  decide(data, definition, [result]) {
    const undo = toUndo(data);
    const call = undo === undefined ? undefined : undoOf(definition, undo.destination);
    if (undo === undefined || call === undefined)
      return undoFailed(data, { code: 'hub.no_undo', detail: 'The destination names no undo call.' });
    const { destination, message } = undo;
    const body = result?.kind === 'values' ? result.values[0] : undefined;
    if (body === 'null') {
      const detail = `/destinations${pointerStep(destination)}/undo/body gives nothing.`;
      return undoFailed(data, { code: 'hub.expression_failed', detail });
    }
    const request = { message, route: destination, body: body ?? message };
    return { call: { destination, request, timeoutMs: call.timeout_ms } };
  },
};

export function undoFailed(undoing: Undoing, { code, detail }: Reason): Said {
  const { connector, connector_version } = undoing;
  const destination = toUndo(undoing)?.destination ?? '';
  const data: UndoFailed = { connector, connector_version, destination, tries: 0, code, detail };
  const failure = { step: 'undo', code, detail } as const;
  return { type: 'integration.undo_failed', data, status: 'undo_failed', failure };
}

/** What of an event is to be undone; nothing of a failure that left nothing in doubt. */
export function toUndo(data: LogEvent['data']): { destination: string; message: string } | undefined {
  if ('undo' in data) {
    const { undo, message } = data as IntegrationFailed;
    return undo === null || message === null ? undefined : { destination: undo, message };
  }
  const { destination, message } = data as UndoRequested;
  return { destination, message };
}

export function undoOf({ destinations }: ConnectorDefinition, name: string): HttpCall | undefined {
  const destination = destinations[name];
  return destination?.type === 'http' ? destination.undo : undefined;
}
