import type { EpochMs } from '#kernel/clock.ts';
import { isCurrency } from '#kernel/currencies.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { NewAccount } from './account.ts';
import type { Account, AccountKind, Balance, Books } from './books.ts';
import type { OpenAccountOrder } from './orders.ts';
import type { LedgerProblemCode } from './problems.ts';
import { isTimeZone } from './time-zone.ts';

export const DEFAULT_TIME_ZONE = 'America/Sao_Paulo';

/** Where money comes from and goes to, and what only records what happened elsewhere, may go below zero (DESIGN §5). */
const FLOORLESS_KINDS: ReadonlySet<AccountKind> = new Set(['external', 'cashbook']);

export interface AccountRequest {
  readonly tenant: string;
  readonly id: string;
  /** Reserved for it; lost if the account is refused. */
  readonly key: bigint;
  readonly order: OpenAccountOrder;
}

/** Enters the account in the books when it accepts, so that the next order of the batch finds it. */
export function openAccount(
  books: Books,
  request: AccountRequest,
  now: EpochMs,
): Decision<{ readonly created: NewAccount; readonly balance: Balance }, Problem<LedgerProblemCode>> {
  const { order } = request;
  const obstacle = unknownName(order);
  if (obstacle !== undefined) return refused(obstacle);
  const account = accountOf(request);
  const opened = books.openAccount(account, now);
  if (!opened.ok)
    return refused({ ...opened.problem, errors: [{ pointer: '/id', code: 'taken', detail: 'is taken' }] });
  const profile = {
    name: order.name ?? null,
    timeZone: order.time_zone ?? DEFAULT_TIME_ZONE,
    metadata: order.metadata ?? null,
    openedAt: now,
  };
  return accepted({ created: { account, profile }, balance: opened.value });
}

function accountOf({ tenant, id, key, order }: AccountRequest): Account {
  const { kind, currency, floor } = order;
  const defaultFloor = FLOORLESS_KINDS.has(kind) ? null : 0;
  const chosen = floor === undefined ? defaultFloor : floor;
  return { key, tenant, id, kind, currency, floorMinor: chosen === null ? null : BigInt(chosen) };
}

function unknownName({ currency, time_zone }: OpenAccountOrder): Problem<LedgerProblemCode> | undefined {
  if (!isCurrency(currency)) {
    const detail = `${currency} is not an active ISO 4217 code.`;
    return problem('ledger.unknown_currency', detail, {
      errors: [{ pointer: '/currency', code: 'unknown', detail }],
    });
  }
  if (time_zone !== undefined && !isTimeZone(time_zone)) {
    const detail = `${time_zone} is not an IANA time zone.`;
    return problem('ledger.unknown_time_zone', detail, {
      errors: [{ pointer: '/time_zone', code: 'unknown', detail }],
    });
  }
  return undefined;
}
