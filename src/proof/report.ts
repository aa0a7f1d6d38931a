/** What a proof found: findings by check, and how long it took. */
import type { Difference } from '#platform/postgres/differences.ts';

/** Something that the logs and the tables do not agree on, or that the definitions rule out. */
export interface Finding {
  /** `wrong_root`, `missing_event`, `different`, … */
  readonly kind: string;
  /** What it is about: `payments/3/1041`, `pay_…`, `acme/wal-1234`. */
  readonly subject: string;
  readonly detail: string;
  /** Whose it is, where it is known. */
  readonly tenant?: string | undefined;
}

export interface CheckReport {
  readonly name: CheckName;
  /** How many things of its kind were looked at. */
  readonly checked: number;
  /** The first ones, at most `LISTED_MAX`. */
  readonly findings: readonly Finding[];
  readonly total: number;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly checks: readonly CheckReport[];
  /** Payments and refunds under way: no finding, whatever is still missing of them. */
  readonly running: number;
  /** Of those, the ones that wait behind a dead letter, until somebody replays or skips it. */
  readonly parked: number;
  readonly payments: number;
  readonly refunds: number;
  readonly durationMs: number;
  readonly paymentsPerSecond: number;
  /** Where the time went, by phase. */
  readonly phases: readonly { readonly phase: string; readonly durationMs: number }[];
}

/** In the order of the report. */
export const CHECKS = {
  log: 'every position is there once, every batch root and chain value is what its events make it; what is parked has its dead letter',
  checkpoints: 'each is signed, follows from the one before it, and stands on the log as it now is',
  postings: 'sequences have no gap, posted_after is the running sum, posted_at never goes back',
  entries: 'each entry sums to zero, and stands in the tables as its event tells it',
  accounts: 'posted, held, sequence and status are what the logs add up to; available is not below the floor',
  currencies: 'all balances of a currency sum to zero',
  holds: 'each hold is open, captured or released as its saga says',
  sagas: "the coordinator's state is what its events say, and no stage was passed over",
  payments: 'each payment and its status are what its events say',
  references: 'each is held by the payment that names it, unless that one ended unpaid',
  refunds: 'each is what its events say, and together they give back no more than the payment moved',
  attempts:
    'each word of a provider has its attempt, each has a state that a word gave it, and what waits for a provider has one',
  cards:
    'each decision has the entry that it promises; cards, card transactions and holds are what their events say',
  'cash entries': 'each is what its event says, and so is its journal entry',
  integrations: 'each stands where its events say, and failed for the reason that they give',
  days: 'each daily balance and its hash is what the postings add up to, and what is sealed was told to be',
  verdicts: 'each verdict is what its events and the saga definition make it',
  notifications: 'one for each ending, which says what the ending says; and so does what is sent to webhooks',
  'idempotency keys': 'counted only: they are sourced from no log',
} as const;

export type CheckName = keyof typeof CHECKS;

/** A table that is wrong throughout is not listed row by row. */
const LISTED_MAX = 100;

export type OnFound = (check: CheckName, finding: Finding) => void;

export interface ListOptions {
  /** How many of a check are listed, and told of; all are counted. */
  readonly listedMax?: number | undefined;
  /** Told of what is listed, as soon as it is found. */
  readonly onFound?: OnFound | undefined;
}

/** A detail shows values of columns, and some are long. */
const DETAIL_MAX = 300;

function shortened(detail: string): string {
  return detail.length <= DETAIL_MAX ? detail : `${detail.slice(0, DETAIL_MAX)}…`;
}

/** Collects what one check finds. */
export class Check {
  readonly name: CheckName;
  readonly #findings: Finding[] = [];
  readonly #listedMax: number;
  readonly #onFound: OnFound | undefined;
  #total = 0;
  #checked = 0;

  constructor(name: CheckName, { listedMax = LISTED_MAX, onFound }: ListOptions = {}) {
    this.name = name;
    this.#listedMax = listedMax;
    this.#onFound = onFound;
  }

  looked(count: number): void {
    this.#checked += count;
  }

  found(finding: Finding): void {
    this.#total++;
    if (this.#findings.length >= this.#listedMax) return;
    const listed = { ...finding, detail: shortened(finding.detail) };
    this.#findings.push(listed);
    this.#onFound?.(this.name, listed);
  }

  /** Findings of which only some were listed. */
  foundMore(unlisted: number): void {
    this.#total += unlisted;
  }

  report(): CheckReport {
    return { name: this.name, checked: this.#checked, findings: this.#findings, total: this.#total };
  }
}

export type Checks = Readonly<Record<CheckName, Check>>;

export function newChecks(options: ListOptions = {}): Checks {
  return Object.fromEntries(
    (Object.keys(CHECKS) as CheckName[]).map((name) => [name, new Check(name, options)]),
  ) as Checks;
}

/** `identity`: of the event, `ledger/3/1041`. */
export function unreadableEvent(identity: string, type: string): Finding {
  const detail = `the data of ${type} is not what such an event tells`;
  return { kind: 'unreadable_event', subject: identity, detail };
}

/** `missing_hold`, `extra_hold`, `different_hold`. */
export function differenceFinding(noun: string, subject: string, { kind, detail }: Difference): Finding {
  return { kind: `${kind}_${noun}`, subject, detail: detail === '' ? DIFFERENCES[kind] : detail };
}

const DIFFERENCES: Readonly<Record<Difference['kind'], string>> = {
  missing: 'the logs tell of it, the table does not have it',
  extra: 'the table has it, no log tells of it',
  different: 'it is not as the logs tell',
};
