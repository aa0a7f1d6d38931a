/** Under whose name destinations are called for a replay (U1, U11). */
import { describe, expect, test } from 'vitest';
import { type Failure, type Integration, type IntegrationStatus, originOfReplay } from './integration.ts';

const replayed = (
  status: IntegrationStatus,
  failure: Pick<Failure, 'step' | 'code'> | null,
): Integration => ({
  tenant: 'acme',
  uuid: 'second',
  connector: 'erp',
  connectorVersion: 1,
  entry: 'api',
  status,
  origin: 'first',
  replayOf: 'first',
  failure: failure === null ? null : { ...failure, detail: '' },
  reference: null,
  correlationId: 'cor',
  createdAt: 0,
  updatedAt: 0,
});

const failedBy = (code: string) => replayed('failed', { step: 'delivery', code });

describe('a replay is called for', () => {
  test.each([
    ['what an HTTP destination has refused', failedBy('hub.destination_refuses')],
    ['what nobody knows the end of', failedBy('hub.outcome_unknown')],
    ['what could not be delivered', failedBy('hub.destination_fails')],
    ['what was refused before the key was looked at', failedBy('request.invalid')],
    ['what found something else under its key', failedBy('payments.idempotency_key_reused')],
    [
      'what was refused before anybody was called',
      replayed('refused', { step: 'rules', code: 'hub.refused' }),
    ],
    ['what could not be undone', replayed('undo_failed', { step: 'undo', code: 'hub.destination_refuses' })],
  ])('U13: under the name of the first, of %s', (_what, integration) => {
    expect(originOfReplay(integration)).toBe('first');
  });

  test.each([
    ['what was undone', replayed('undone', null)],
    [
      'what was undone because nobody knew its end',
      replayed('undone', { step: 'delivery', code: 'hub.outcome_unknown' }),
    ],
    ['what Lastro has refused, which would be its answer for ever', failedBy('payments.unknown_currency')],
  ])('U1, U11: under another name, the same for two who replay it at once, of %s', (_what, integration) => {
    const next = originOfReplay(integration);
    expect(next).toMatch(/^[0-9a-f-]{36}$/);
    expect(originOfReplay({ ...integration, uuid: 'third' })).toBe(next);
    expect(originOfReplay({ ...integration, origin: next })).not.toBe(next);
  });
});
