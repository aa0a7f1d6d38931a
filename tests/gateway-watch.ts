/** Payments made one by one through two providers, and all that anybody has to say of them. */
import { vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import type { GatewayHome } from './gateway-home.ts';
import { judge, type PaymentReading, type RefundReading } from './gateway-judge.ts';
import type { HttpAnswer } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';

/** The account that is paid if nothing else is said. */
const SERVICE = 'service';

export interface AttemptReading {
  readonly id: string;
  readonly state: string;
  readonly next_step_at: string | null;
}

interface ResolutionOrder {
  readonly outcome: 'charged' | 'not_charged';
  readonly reason: string;
  readonly regarding?: 'completion';
}

export class GatewayWatch {
  readonly payments: string[] = [];
  readonly refunds: string[] = [];
  /** Payments of which a person said something else than a book. */
  readonly believed = new Set<string>();
  readonly home: GatewayHome;
  readonly #funds: ReadonlyMap<string, number>;
  #keys = 0;

  /** `funds`: what the wallets have at first, in minor units. */
  constructor(home: GatewayHome, funds: ReadonlyMap<string, number>) {
    this.home = home;
    this.#funds = funds;
  }

  async openAccounts(): Promise<void> {
    await this.open(SERVICE, 'service');
    for (const [id, amount] of this.#funds) {
      await this.open(id, 'wallet');
      const debit = { account_id: 'bank-usd', direction: 'debit', amount };
      const postings = [debit, { ...debit, account_id: id, direction: 'credit' }];
      await this.asked('/v1/journal-entries', { postings }, 201);
    }
  }

  async open(id: string, kind: string): Promise<void> {
    await this.asked('/v1/accounts', { id, kind, currency: 'USD' }, 201);
  }

  ask(path: string, body: unknown): Promise<HttpAnswer> {
    return this.home.caller.post(path, body, `watch-${++this.#keys}`);
  }

  /** The answer's document; throws unless it has the status. */
  async asked(path: string, body: unknown, status: number): Promise<Record<string, unknown>> {
    const answer = await this.ask(path, body);
    if (answer.status !== status) throw new Error(`${path} answered ${answer.status} ${answer.text}`);
    return answer.json();
  }

  async pay(order: { readonly wallet_id: string; readonly amount: number; readonly service_id?: string }) {
    const body = { service_id: SERVICE, currency: 'USD', method: 'gateway', ...order };
    const { id } = (await this.asked('/v1/payments', body, 202)) as { id: string };
    this.payments.push(id);
    return id;
  }

  async giveBack(id: string, body: object): Promise<string> {
    const refund = (await this.asked(`/v1/payments/${id}/refunds`, body, 202)) as { id: string };
    this.refunds.push(refund.id);
    return refund.id;
  }

  async cancel(id: string): Promise<void> {
    await this.asked(`/v1/payments/${id}/cancel`, {}, 202);
  }

  resolve(id: string, order: ResolutionOrder): Promise<HttpAnswer> {
    return this.ask(`/v1/payments/${id}/resolution`, order);
  }

  payment(id: string): Promise<PaymentReading> {
    return this.home.caller.read<PaymentReading>(`/v1/payments/${id}`);
  }

  async becomes(id: string, ...statuses: readonly string[]): Promise<PaymentReading> {
    return waitFor(() => this.payment(id), statuses);
  }

  refundBecomes(id: string, status: string): Promise<RefundReading> {
    return waitFor(() => this.home.caller.read<RefundReading>(`/v1/refunds/${id}`), [status]);
  }

  attempts(id: string): Promise<AttemptReading[]> {
    return this.home.caller.read<AttemptReading[]>(`/v1/payments/${id}/attempts`);
  }

  /** What the books have of it: `alfa charge approved`. */
  async booked(id: string): Promise<string[]> {
    const books = await Promise.all(
      this.home.desks.map(async (desk) =>
        (await desk.book()).map((entry) => ({ ...entry, name: desk.name })),
      ),
    );
    const entries = books.flat().filter(({ reference }) => reference === id);
    return entries.map(({ name, kind, status }) => `${name} ${kind} ${status}`);
  }

  async types(id: string): Promise<string[]> {
    const events = await this.home.caller.read<{ type: string }[]>(`/v1/payments/${id}/events`);
    return events.map(({ type }) => type);
  }

  told(id: string): Promise<{ type: string; payload: Record<string, unknown> }[]> {
    return this.home.caller.read(`/v1/payments/${id}/notifications`);
  }

  /** Kinds, from the verdict. */
  async findings(id: string): Promise<string[]> {
    const { findings } = await this.home.caller.read<{ findings: { kind: string }[] }>(
      `/v1/payments/${id}/verdict`,
    );
    return findings.map(({ kind }) => kind);
  }

  /** What is wrong just now. */
  judged(): Promise<string[]> {
    const { home, payments, refunds, believed } = this;
    return judge({ caller: home.caller, desks: home.desks, payments, refunds, believed, funds: this.#funds });
  }

  /** Nothing is asked of a provider any more, every provider is asked again, and nothing is wrong; throws what is. */
  async settled(): Promise<void> {
    let left: string[] = [];
    const isSettled = async (): Promise<boolean> => {
      left = [...(await this.#underWay()), ...(await this.judged())];
      return left.length === 0;
    };
    await this.home.behave();
    await vi.waitUntil(isSettled, PATIENCE).catch(() => undefined);
    const { checks } = await verify({ url: this.home.lastro.database.url });
    const found = [
      ...left,
      ...checks.flatMap(({ findings }) => findings.map((each) => JSON.stringify(each))),
    ];
    if (found.length > 0) throw new Error(found.join('\n'));
  }

  async #underWay(): Promise<string[]> {
    const attempts = (await Promise.all(this.payments.map((id) => this.attempts(id)))).flat();
    const asked = attempts.filter(({ next_step_at }) => next_step_at !== null);
    const away = (await this.home.breakers()).filter((state) => state !== 'closed');
    return [
      ...asked.map(({ id, state }) => `${id} is ${state}`),
      ...away.map((state) => `a breaker is ${state}`),
    ];
  }
}

async function waitFor<Reading extends { readonly status: string }>(
  read: () => Promise<Reading>,
  statuses: readonly string[],
): Promise<Reading> {
  let reading = await read();
  await vi
    .waitUntil(async () => {
      reading = await read();
      return statuses.includes(reading.status);
    }, PATIENCE)
    .catch(() => undefined);
  if (statuses.includes(reading.status)) return reading;
  throw new Error(`${JSON.stringify(reading)} does not become ${statuses.join(' or ')}`);
}
