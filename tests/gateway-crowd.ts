/**
 * Callers who pay through providers and from balances, give back, cancel, and close the account that is just being paid,
 * each by a plan drawn from the seed. Whatever misbehaves is told to by the plan, by amounts that no other payment has.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayHome } from './gateway-home.ts';
import type { PaymentReading } from './gateway-judge.ts';
import { SeededRandom } from './seeded-random.ts';

/** Minor units. The last wallet soon has not enough. */
export const FUNDS: ReadonlyMap<string, number> = new Map([
  ['crowd-1', 50_000_000],
  ['crowd-2', 50_000_000],
  ['crowd-3', 50_000_000],
  ['crowd-poor', 40_000],
]);
const WALLETS = [...FUNDS.keys()];
const SERVICES = ['shop-1', 'shop-2'];
const ENDS_WITHIN_MS = 4000;
const LOOK_MS = 60;

const OF_CHARGES = [
  'decline',
  'error_before',
  'error_after',
  'throttle',
  'timeout_charged',
  'timeout_not_charged',
  'hang',
  'hang_charged',
  'garbage',
  'garbage_not_charged',
  'pending',
  'pending_decline',
  'callback_late',
  'callback_twice',
  'callback_out_of_order',
  'callback_before_answer',
  'callback_contradicts',
  'callback_bad_signature',
  'callback_stale',
  'slow',
];
const OF_QUESTIONS = [
  'error_before',
  'error_after',
  'throttle',
  'hang',
  'garbage',
  'timeout_charged',
  'timeout_not_charged',
  'slow',
];
const OF_REFUNDS = [
  ...OF_QUESTIONS,
  'hang_charged',
  'garbage_not_charged',
  'refund_fails',
  'refund_succeeds',
  'pending',
  'callback_late',
  'callback_twice',
  'callback_out_of_order',
  'callback_bad_signature',
  'callback_stale',
];

interface Misbehaviour {
  readonly behaviour: string;
  readonly operation: 'charge' | 'refund' | 'inquiry' | 'void';
  readonly more: Readonly<Record<string, unknown>>;
}

interface Plan {
  readonly key: string;
  readonly order: Readonly<Record<string, unknown>> & {
    readonly amount: number;
    readonly service_id: string;
  };
  /** By provider: alfa, beta. */
  readonly misbehaviours: readonly (readonly Misbehaviour[])[];
  readonly cancelAfterMs: number | undefined;
  readonly closesService: boolean;
  /** Asked for at once; together they may be more than was paid. */
  readonly refunds: readonly number[];
}

export class Crowd {
  readonly payments: string[] = [];
  readonly refunds: string[] = [];
  /** Answers that should not be. */
  readonly contradictions: string[] = [];
  readonly #home: GatewayHome;
  readonly #seed: number;
  readonly #clients: Promise<void>[] = [];
  readonly #ending = new AbortController();

  constructor(home: GatewayHome, seed: number) {
    this.#home = home;
    this.#seed = seed;
  }

  async openAccounts(): Promise<void> {
    await Promise.all(WALLETS.map((id) => this.#open(id, 'wallet')));
    await Promise.all(SERVICES.map((id) => this.#open(id, 'service')));
    await Promise.all([...FUNDS].map(([id, amount]) => this.#fund(id, amount)));
  }

  start(clients: number): void {
    for (let client = 0; client < clients; client++) this.#clients.push(this.#live(client));
  }

  /** Ends when every request has its answer. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#clients);
  }

  async #live(client: number): Promise<void> {
    const random = new SeededRandom(this.#seed * 1009 + client);
    for (let number = 0; !this.#ending.signal.aborted; number++)
      await this.#carryOut(draw(random, client, number));
  }

  async #carryOut(plan: Plan): Promise<void> {
    const { caller, desks } = this.#home;
    if (plan.closesService) await this.#open(plan.order.service_id, 'service');
    const { amount } = plan.order;
    for (const [index, desk] of desks.entries())
      for (const { behaviour, operation, more } of plan.misbehaviours[index] ?? [])
        await desk.misbehave(behaviour, { ...more, match: { operation, amount } });
    const answer = await caller.post('/v1/payments', plan.order, plan.key);
    if (!this.#isTaken(answer, plan.key, [202])) return;
    const { id } = answer.json() as { id: string };
    this.payments.push(id);
    await Promise.all([this.#cancel(id, plan), this.#closeService(id, plan)]);
    if (plan.refunds.length > 0) await this.#giveBack(id, plan);
  }

  async #cancel(id: string, { key, cancelAfterMs }: Plan): Promise<void> {
    if (cancelAfterMs === undefined) return;
    await delay(cancelAfterMs);
    const answer = await this.#home.caller.post(`/v1/payments/${id}/cancel`, {}, `${key}-cancel`);
    this.#isTaken(answer, key, [202, 409]);
  }

  /** Between the hold and the charge, if it comes in time. */
  async #closeService(id: string, { key, order, closesService }: Plan): Promise<void> {
    if (!closesService) return;
    await this.#until(id, ({ status }) => status !== 'pending');
    const path = `/v1/accounts/${order.service_id}/close`;
    this.#isTaken(await this.#home.caller.post(path, {}, `${key}-close`), key, [200, 409, 422]);
  }

  async #giveBack(id: string, { key, refunds }: Plan): Promise<void> {
    const payment = await this.#until(id, ({ status }) => !['pending', 'authorized'].includes(status));
    if (payment.status !== 'completed') return;
    const answers = await Promise.all(
      refunds.map((amount, index) =>
        this.#home.caller.post(`/v1/payments/${id}/refunds`, { amount }, `${key}-refund-${index}`),
      ),
    );
    for (const answer of answers)
      if (this.#isTaken(answer, key, [202, 422, 409]) && answer.status === 202)
        this.refunds.push((answer.json() as { id: string }).id);
  }

  async #until(id: string, isSo: (payment: PaymentReading) => boolean): Promise<PaymentReading> {
    for (const startedAt = performance.now(); ; await delay(LOOK_MS)) {
      const payment = await this.#home.caller.read<PaymentReading>(`/v1/payments/${id}`);
      if (isSo(payment) || performance.now() - startedAt > ENDS_WITHIN_MS) return payment;
    }
  }

  #isTaken(
    { status, text }: { readonly status: number; readonly text: string },
    key: string,
    allowed: readonly number[],
  ): boolean {
    if (allowed.includes(status)) return true;
    this.contradictions.push(`${key}: ${status} ${text}`);
    return false;
  }

  async #open(id: string, kind: string): Promise<void> {
    const answer = await this.#home.caller.post('/v1/accounts', { id, kind, currency: 'USD' }, `open-${id}`);
    this.#isTaken(answer, `open-${id}`, [201]);
  }

  async #fund(id: string, amount: number): Promise<void> {
    const debit = { account_id: 'bank-usd', direction: 'debit', amount };
    const postings = [debit, { account_id: id, direction: 'credit', amount }];
    const answer = await this.#home.caller.post('/v1/journal-entries', { postings }, `fund-${id}`);
    this.#isTaken(answer, `fund-${id}`, [201]);
  }
}

/** Ten of a client's payments more are far below the next client's amounts. */
const AMOUNTS_PER_CLIENT = 10_000;

function draw(random: SeededRandom, client: number, number: number): Plan {
  const key = `crowd-${client}-${number}`;
  const amount = 2000 + client * AMOUNTS_PER_CLIENT + number;
  const isGateway = random.isHappening(0.8);
  const closesService = isGateway && random.isHappening(0.08);
  const misbehaviours = isGateway
    ? [drawMisbehaviours(random, closesService), drawMisbehaviours(random, closesService)]
    : [];
  return {
    key,
    order: {
      wallet_id: random.pick(WALLETS),
      service_id: closesService ? `doomed-${client}-${number}` : random.pick(SERVICES),
      amount,
      currency: 'USD',
      method: isGateway ? 'gateway' : 'balance',
    },
    misbehaviours,
    cancelAfterMs: !closesService && random.isHappening(0.25) ? random.between(0, 900) : undefined,
    closesService,
    refunds: !closesService && random.isHappening(0.4) ? drawRefunds(random, amount) : [],
  };
}

function drawRefunds(random: SeededRandom, amount: number): number[] {
  const half = Math.ceil(amount / 2);
  return random.pick([[amount], [half], [half, half], [amount, amount], [half, amount, half]]);
}

function drawMisbehaviours(random: SeededRandom, isPending: boolean): Misbehaviour[] {
  const drawn: Misbehaviour[] = [];
  const add = (operation: Misbehaviour['operation'], behaviour: string): void => {
    drawn.push({ behaviour, operation, more: drawMore(random) });
  };
  if (isPending) add('charge', 'pending');
  else if (random.isHappening(0.6)) add('charge', random.pick(OF_CHARGES));
  if (random.isHappening(0.3)) add('inquiry', random.pick(OF_QUESTIONS));
  if (random.isHappening(0.3)) add('void', random.pick(OF_QUESTIONS));
  if (random.isHappening(0.3)) add('refund', random.pick(OF_REFUNDS));
  return drawn;
}

function drawMore(random: SeededRandom): Readonly<Record<string, unknown>> {
  const times = random.isHappening(0.8) ? { times: random.between(1, 4) } : {};
  const wait = random.isHappening(0.2) ? { retry_after_s: random.between(1, 7) } : {};
  return { ...times, ...wait, delay_ms: random.between(0, 1500) };
}
