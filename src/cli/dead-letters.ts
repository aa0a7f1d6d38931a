/** `lastro dead-letters`: works beside running processes, on the same database; they execute what is ordered here. */
import { userInfo } from 'node:os';
import { systemClock, toRfc3339 } from '#kernel/clock.ts';
import { idOf, isId, newId, uuidOf } from '#kernel/ids.ts';
import {
  type DeadLetter,
  type DeadLetterState,
  type FailureGroup,
  type OrderAction,
  STATES,
} from '#platform/dead-letters/dead-letter.ts';
import { DeadLetterCommands } from '#platform/dead-letters/dead-letter-commands.ts';
import { readDetail } from '#platform/dead-letters/dead-letter-detail.ts';
import type { DeadLetterOrder } from '#platform/dead-letters/dead-letter-orders.ts';
import { DeadLetterReads } from '#platform/dead-letters/reads.ts';
import type { SetAction } from '#platform/dead-letters/replay.ts';
import { eventIdentity, type JsonObject } from '#platform/log/event.ts';
import { EventContracts } from '#platform/log/event-contracts.ts';
import { Session } from '#platform/postgres/session.ts';
import { givenUpReads, requireEditable } from '../given-up-reads.ts';
import { renderAnswer } from '../problems.ts';
import { contractsOf, TOPOLOGY } from '../topology.ts';
import { say, understood } from './environment.ts';
import { givenLimit } from './given-limit.ts';
import { givenReason } from './given-reason.ts';
import { type Installation, onInstallation, requireTenant, type TenantOption } from './on-installation.ts';

export interface ListOptions extends TenantOption {
  readonly state: string;
  readonly group?: string;
  readonly target?: string;
  readonly limit: string;
}

export interface SetOptions extends TenantOption {
  readonly group?: string;
  readonly target?: string;
  readonly errorCode?: string;
  readonly reason?: string;
}

export type GroupOptions = Omit<ListOptions, 'limit'>;

export interface OrderOptions extends TenantOption {
  readonly reason?: string;
  /** JSON. */
  readonly data?: string;
}

export function listDeadLetters({ state, group, target, limit, ...options }: ListOptions): Promise<void> {
  const asked = understood(() => ({ rows: givenLimit(limit), state: stateOf(state) }));
  return onInstallation(options, async ({ pool, tenant }) => {
    const reads = new DeadLetterReads(pool);
    if (options.tenant !== undefined) await requireTenant(pool, tenant);
    const filter = { state: asked.state, ...withoutUndefined({ group, target }) };
    const letters = await reads.list(tenant, filter, { before: undefined, limit: asked.rows });
    for (const letter of letters) console.log(lineOf(letter));
    if (letters.length === 0) say('none');
  });
}

/** What has failed alike, most first. */
export function groupDeadLetters({ state, group, target, ...options }: GroupOptions): Promise<void> {
  const known = understood(() => stateOf(state));
  return onInstallation(options, async ({ pool, tenant }) => {
    const filter = { state: known, ...withoutUndefined({ group, target }) };
    if (options.tenant !== undefined) await requireTenant(pool, tenant);
    const { groups, isComplete } = await new DeadLetterReads(pool).groups(tenant, filter);
    for (const each of groups) console.log(groupLineOf(each));
    if (groups.length === 0) say('none');
    if (!isComplete) say('there are more: only the newest were counted');
  });
}

function groupLineOf(group: FailureGroup): string {
  const { count, consumer_group, target, error_code, error_status, last_at, example } = group;
  const last = [toRfc3339(last_at), idOf('dlt', example)];
  return [count, consumer_group, target ?? '-', error_code, error_status ?? '-', ...last].join('\t');
}

function stateOf(given: string): DeadLetterState {
  const state = STATES.find((known) => known === given);
  if (state === undefined) throw new Error(`--state is one of ${STATES.join(', ')}`);
  return state;
}

function withoutUndefined<Names extends string>(
  given: Readonly<Record<Names, string | undefined>>,
): Partial<Record<Names, string>> {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Record<Names, string>>;
}

function lineOf(letter: DeadLetter): string {
  const { state, consumer_group, target, type, subject, error_code, error } = letter;
  const event = eventIdentity({ ...letter, position: Number(letter.position) });
  const what = [consumer_group, target ?? '-', event, type, subject];
  return [idOf('dlt', letter.id), state, ...what, error_code, error].join('\t');
}

export function showDeadLetter(id: string, options: TenantOption): Promise<void> {
  return onInstallation(options, async ({ pool, tenant }) => {
    const reads = new DeadLetterReads(pool);
    const letter = isId('dlt', id) ? await reads.find(tenant, uuidOf(id)) : undefined;
    if (letter === undefined) throw new Error(`tenant ${tenant} has no dead letter ${id}`);
    console.log(JSON.stringify(await readDetail(reads, letter, givenUpReads(pool)), null, 2));
  });
}

/** Said to be done when it is ordered: a running process executes it within a second. */
export function orderDeadLetter(
  action: OrderAction,
  id: string,
  { reason, data, ...options }: OrderOptions,
): Promise<void> {
  const order = understood(() => orderOf(action, id, { reason, data }));
  return onInstallation(options, async ({ url, pool, tenant }) => {
    await requireEditable(pool, { tenant, order });
    const answer = await submit({ url, pool, tenant, order });
    const document = JSON.parse(answer.body) as { detail?: string };
    if (answer.status >= 400) throw new Error(document.detail);
    say(`the ${action} of ${id} is ordered; a running process executes it`);
  });
}

/** As many as a set has at most. */
export function orderAll(
  action: SetAction,
  { group, target, errorCode, reason, ...options }: SetOptions,
): Promise<void> {
  const filter = withoutUndefined({ group, target, error_code: errorCode });
  const order = understood(() => setOrderOf(action, filter, reason));
  return onInstallation(options, async ({ url, pool, tenant }) => {
    if (options.tenant !== undefined) await requireTenant(pool, tenant);
    const { body } = await submit({ url, pool, tenant, order });
    const { id, total } = JSON.parse(body) as { id: string; total: number };
    say(`${id}: the ${action} of ${total} is ordered; running processes execute it`);
  });
}

function setOrderOf<Filter extends object>(action: SetAction, filter: Filter, reason: string | undefined) {
  const isGivingUp = action === 'discard';
  if (isGivingUp && Object.keys(filter).length === 0)
    throw new Error('name what is to be discarded: --group, --target or --error-code');
  const why = reason === undefined && !isGivingUp ? {} : { reason: givenReason(reason ?? '') };
  return { operation: `dead_letters.${action}_set`, ...filter, ...why } as const;
}

function orderOf(
  action: OrderAction,
  id: string,
  { reason, data }: { reason: string | undefined; data: string | undefined },
): DeadLetterOrder {
  const named = { dead_letter_id: id };
  if (action !== 'replay')
    return { operation: `dead_letters.${action}`, ...named, reason: givenReason(reason ?? '') };
  return {
    operation: 'dead_letters.replay',
    ...named,
    ...(data === undefined ? {} : { data: givenData(data) }),
    ...(reason === undefined ? {} : { reason: givenReason(reason) }),
  };
}

function givenData(text: string): JsonObject {
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as JsonObject;
  } catch (error) {
    throw new Error(`--data is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new Error('--data has to be a JSON object');
}

/** One command in a transaction of its own, decided as the API's are. */
async function submit({ url, pool, tenant, order }: Installation & { order: DeadLetterOrder }) {
  const handler = new DeadLetterCommands({
    renderProblem: renderAnswer,
    reader: pool,
    topics: TOPOLOGY.topics,
    contracts: new EventContracts(contractsOf),
  });
  const command = {
    operation: order.operation,
    tenant,
    idempotencyKey: undefined,
    body: order,
    id: newId('dead_letter_id' in order ? 'rdl' : 'rpl'),
    requestId: newId('req'),
    correlationId: newId('cor'),
    traceparent: null,
    actor: `cli ${userInfo().username}`,
  };
  const session = new Session({ url, name: 'cli' });
  try {
    return await session.transaction(async (tx) => {
      const loaded = await handler.load(tx, [command]);
      const now = systemClock.now();
      const { answer, effect } = handler.decide(loaded, command, now);
      if (effect !== undefined) handler.save(tx, [effect], loaded, now);
      return answer;
    });
  } finally {
    await session.close();
  }
}
