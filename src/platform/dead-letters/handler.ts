/**
 * A consumer as the redeliverer sees it: events are handed to it outside its worker's batches, in the transaction of an
 * order, with the same load, decision and effects.
 */
import type { Clock } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import type { Consumer, ConsumerPlan, Handing } from '../batch/consumer.ts';
import { sendEmitted } from '../batch/send-drafts.ts';
import { type LogEvent, notBefore } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Transaction } from '../postgres/session.ts';
import { type ParkingKeyOf, subjectOf } from './parked-keys.ts';

/** The consumer wants to see the events again: a moment later it handles them. */
export class StillRetained extends Fault {
  constructor() {
    super('the consumer keeps the event back for now', { transient: true });
  }
}

/** This program does not read such a version; one that does takes the order. */
export class NewerVersion extends Fault {
  constructor(type: string, version: number) {
    super(`version ${version} of ${type} is newer than this program`, { transient: true });
  }
}

export interface Handler {
  readonly group: string;
  readonly parkingKeyOf: ParkingKeyOf;
  actsOn(event: LogEvent): boolean;
  /** Sends all that follows from the events; returns what is to be done once it is committed. */
  handle(tx: Transaction, events: readonly LogEvent[], handing?: Handing): Promise<() => Promise<void>>;
}

export function handlerOf<Loaded, Plan extends ConsumerPlan>(
  consumer: Consumer<Loaded, Plan>,
  { log, clock }: { log: EventLog; clock: Clock },
): Handler {
  const { group, topics, handles } = consumer;
  return {
    group,
    parkingKeyOf: consumer.parkingKeyOf ?? subjectOf,
    actsOn: (event) =>
      topics.includes(event.topic) && handles.has(event.type) && (consumer.concerns?.(event) ?? true),
    async handle(tx, events, handing) {
      for (const { type, version } of events)
        if (version > (handles.get(type) ?? version)) throw new NewerVersion(type, version);
      // Of one subject, so few that the transaction can wait for them.
      await consumer.prepare?.(events, { isAlone: events.length === 1 });
      const loaded = await consumer.load(tx, events);
      const now = notBefore(events, clock.now());
      const plan = consumer.decide(loaded, events, now, handing);
      if ((plan.retained?.length ?? 0) > 0) throw new StillRetained();
      consumer.save(tx, plan);
      const segments = sendEmitted(tx, consumer, { log, drafts: plan.drafts, now }); // R3: heads last
      return async () => {
        if (segments !== undefined) log.publish(await segments);
        consumer.committed?.(plan);
      };
    },
  };
}
