/**
 * The saga of a card transaction (K5), as data. What a network asks is decided, posted and told in one commit, so a stage is
 * an event and no service is waited for: nothing can be missing between a decision and its entry, only wrong. What comes
 * behind is the notification of the holder. The integrity service, the proof, the notifications and the documentation read
 * this definition.
 */

/** Where a card transaction stands, by its events. */
export type CardStanding = 'undecided' | 'declined' | 'held' | 'captured' | 'released';

export interface CardStage {
  /** In verdicts. */
  readonly name: string;
  readonly event: string;
  readonly after: CardStanding;
  /** What the entry is for that the event carries; of an approval only if it was spent at once. */
  readonly posts: 'card' | 'card_reversal' | null;
  /** Whether the holder is told: of what moved or set aside money. A decline is told by the network, at the till. */
  readonly isNotified: boolean;
}

export const CARD_TRANSACTION = {
  name: 'card_transaction',
  version: 1,
  stages: [
    { name: 'decision', event: 'card.approved', after: 'undecided', posts: 'card', isNotified: true },
    { name: 'decision', event: 'card.declined', after: 'undecided', posts: null, isNotified: false },
    { name: 'capture', event: 'card.captured', after: 'held', posts: 'card', isNotified: true },
    { name: 'release', event: 'card.released', after: 'held', posts: null, isNotified: true },
    { name: 'reversal', event: 'card.reversed', after: 'captured', posts: 'card_reversal', isNotified: true },
  ],
} as const satisfies {
  readonly name: string;
  readonly version: number;
  readonly stages: readonly CardStage[];
};

const STAGES: ReadonlyMap<string, CardStage> = new Map(
  CARD_TRANSACTION.stages.map((stage) => [stage.event, stage]),
);

/** Undefined for events that are no stage of it. */
export function cardStageOf(eventType: string): CardStage | undefined {
  return STAGES.get(eventType);
}

/** The group that tells the holder. */
export const CARD_NOTIFICATION_GROUP = 'card-notification';

export const NOTIFIED_CARD_EVENTS: readonly string[] = CARD_TRANSACTION.stages
  .filter(({ isNotified }) => isNotified)
  .map(({ event }) => event);
