/** What becomes a dead letter, and what is left of them, as metrics and log lines. */
import type { BatchObserver } from '../batch/observer.ts';
import type { BuriedEvent } from '../dead-letters/bury.ts';
import type { DeadLetterCounts } from '../dead-letters/counts.ts';
import { eventIdentity } from '../log/event.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

type DeadLetterObserver = Required<Pick<BatchObserver, 'deadLettered' | 'deadLetterWithheld'>>;

/** Who scrapes more often sees the last count. */
const COUNTED_EVERY_MS = 1000;

/** `groups`: all that there are. */
export function deadLetterTelemetry(
  { metrics, logger }: { metrics: Metrics; logger: Logger },
  groups: readonly string[],
): DeadLetterObserver {
  const known = groups.map((group) => ({ group }));
  const letters = metrics.counter({
    name: 'lastro_dead_letters_total',
    help: 'Dead letters that this process has made: events that a consumer group could not handle, and calls and deliveries that were given up.',
    labels: ['group'],
    known,
  });
  const withheld = metrics.counter({
    name: 'lastro_dead_letters_withheld_total',
    help: 'Times that a failing event held its partition up because its group had given up too many just before.',
    labels: ['group'],
    known,
  });
  return {
    deadLettered(group, { id, event, failure, target, work }) {
      letters.with({ group }).inc();
      const line = { group, dead_letter: id, ...lineOf(event), error_code: failure.code };
      if (work === undefined)
        logger.error(
          { ...line, error: failure.text },
          'an event cannot be handled and is a dead letter: its subject waits for a person',
        );
      // What somebody outside has said is shown with the dead letter, and to its tenant alone.
      else logger.warn({ ...line, target, work }, 'what was tried in vain is given up, and a dead letter');
    },
    deadLetterWithheld(group, event) {
      withheld.with({ group }).inc();
      const line = { group, ...lineOf(event) };
      logger.error(
        line,
        'too many events cannot be handled: this one holds its partition up and is tried again',
      );
    },
  };
}

function lineOf(event: BuriedEvent) {
  return { event: eventIdentity(event), type: event.type, correlation_id: event.correlationId };
}

/** What there is over all processes, counted before a scrape. */
export function observeDeadLetters(
  metrics: Metrics,
  groups: readonly string[],
  count: () => Promise<ReadonlyMap<string, DeadLetterCounts>>,
): void {
  const open = metrics.gauge({
    name: 'lastro_dead_letters_open',
    help: 'Dead letters that wait for a person, over all processes.',
    labels: ['group'],
  });
  const parked = metrics.gauge({
    name: 'lastro_parked_events',
    help: 'Events that wait behind a dead letter, over all processes.',
    labels: ['group'],
  });
  let countedAt = Number.NEGATIVE_INFINITY;
  metrics.beforeScrape(async () => {
    if (performance.now() < countedAt + COUNTED_EVERY_MS) return;
    countedAt = performance.now();
    // Metrics are wanted most when the database does not answer: then these are not known, and the others are.
    const counts = await count().catch(() => undefined);
    for (const group of groups) {
      const { open: letters, parked: waiting } =
        counts === undefined
          ? { open: Number.NaN, parked: Number.NaN }
          : (counts.get(group) ?? { open: 0, parked: 0 });
      open.with({ group }).set(letters);
      parked.with({ group }).set(waiting);
    }
  });
}
