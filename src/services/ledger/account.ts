/** An account as its readers see it. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { type Account, availableMinor, type Balance } from './books.ts';

/** What no decision about money asks for. */
export interface AccountProfile {
  readonly name: string | null;
  /** An IANA name: which day a posting belongs to. */
  readonly timeZone: string;
  readonly metadata: JsonObject | null;
  readonly openedAt: EpochMs;
}

/** Rows of an account that does not exist yet. */
export interface NewAccount {
  readonly account: Account;
  readonly profile: AccountProfile;
}

export interface AccountReading {
  readonly account: Omit<Account, 'key' | 'tenant'>;
  readonly profile: AccountProfile;
  readonly status: 'open' | 'closed';
  readonly balance: {
    readonly postedMinor: bigint;
    /** Null in the past: holds are not kept by instant. */
    readonly heldMinor: bigint | null;
    readonly asOf: EpochMs;
  };
}

/** How a decision shows the balance that it left. */
export function readingOf(balance: Balance, profile: AccountProfile, now: EpochMs): AccountReading {
  const { account, status, postedMinor, heldMinor } = balance;
  return { account, profile, status, balance: { postedMinor, heldMinor, asOf: now } };
}

export function renderAccount({ account, profile, status, balance }: AccountReading): JsonObject {
  return {
    id: account.id,
    kind: account.kind,
    currency: account.currency,
    status,
    name: profile.name,
    floor: account.floorMinor === null ? null : renderAmount(account.floorMinor),
    time_zone: profile.timeZone,
    metadata: profile.metadata,
    balance: renderBalance(balance),
    opened_at: toRfc3339(profile.openedAt),
  };
}

function renderBalance({ postedMinor, heldMinor, asOf }: AccountReading['balance']): JsonObject {
  return {
    posted: renderAmount(postedMinor),
    held: heldMinor === null ? null : renderAmount(heldMinor),
    available: heldMinor === null ? null : renderAmount(availableMinor({ postedMinor, heldMinor })),
    as_of: toRfc3339(asOf),
  };
}
