import { describe, expect, test } from 'vitest';
import { STANDS_STILL_AFTER_MS } from '../integration.ts';
import { overdueStage, type Standing } from './overdue-stage.ts';

const AT = 1_700_000_000_000;
const LATE = AT + STANDS_STILL_AFTER_MS + 1;

function standing(more: Partial<Standing> = {}, type = 'integration.requested'): Standing {
  const event = { type, partition: 3, position: 7, occurredAt: AT };
  return { status: 'requested', event, isCalling: false, ...more };
}

const passed = () => 7;
const behind = () => 6;

describe('H7: a stage', () => {
  test('is missing when its group has passed the event, minutes ago, and left nothing', () => {
    expect(overdueStage(standing(), passed, LATE)).toEqual({ name: 'validation', group: 'hub.validation' });
    expect(overdueStage(standing(), passed, LATE - 1)).toBeUndefined();
  });

  test('is late, and no fault, while its group has still to come by the event', () => {
    expect(overdueStage(standing(), behind, LATE)).toBeUndefined();
  });

  test('that asks somebody outside has the clock of its call', () => {
    const calling = { status: 'enriched', isCalling: true };
    expect(overdueStage(standing(calling, 'integration.enriched'), passed, LATE)).toBeUndefined();
    expect(overdueStage(standing({ status: 'enriched' }, 'integration.enriched'), passed, LATE)).toEqual({
      name: 'delivery',
      group: 'hub.delivery',
    });
  });

  test('of what has ended is none', () => {
    for (const status of ['delivered', 'refused', 'failed', 'undone', 'undo_failed'])
      expect(overdueStage(standing({ status }), passed, LATE)).toBeUndefined();
  });
});
