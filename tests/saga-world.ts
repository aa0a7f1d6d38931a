/**
 * Everything around the coordinator of one payment and one refund of it, as a model: each service reads what the others say
 * in its order and when it likes, a provider decides when it likes, persons intervene, accounts are emptied and closed,
 * and events come again. Which of it happens next is chosen from outside, by a number.
 *
 * W1: no money appears or disappears, and what is held is what the open holds hold.
 * W2: an amount is set aside as long as its outcome is open, and not longer.
 * W3: nothing is given back while a charge stands, or may.
 * W4: a saga ends once; a completed payment may be compensated later.
 * W5: nothing is completed without its entry.
 * W6: an event that comes again is answered with nothing, and changes nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { Hold } from '#services/ledger/contract.ts';
import { SagaScenario, type ScenarioOptions, TENANT } from './saga-scenario.ts';
import { TOLD, type Told } from './told-events.ts';

/** What a provider has in its book, or the providers' service knows of it. */
type Deed = 'none' | 'open' | 'done' | 'not done';

interface Move {
  readonly name: string;
  readonly make: () => void;
}

/** How much more often something is read than an account emptied. */
const READINGS_WEIGHT = 6;
const DEEDS_WEIGHT = 2;
const INTERVENTIONS_MAX = 3;
/** More than anything needs. */
const SETTLING_MAX = 60;
const MINUTE_MS = 60_000;

export class SagaWorld {
  readonly s: SagaScenario;
  readonly #total: bigint;
  readonly #read = new Map<string, number>();
  #charge: Deed = 'none';
  #givingBack: Deed = 'none';
  #refunding: Deed = 'none';
  #cancelling = false;
  readonly #told = new Set<string>();
  #interventions = 0;
  #isDenied = false;
  #isRefunded = false;

  constructor(method: ScenarioOptions['method'], fundedMinor: bigint) {
    this.s = new SagaScenario({ method, fundedMinor });
    this.#total = fundedMinor;
    this.s.tell('validation', 'payment.validated', this.s.terms);
  }

  /** Makes one of the moves that are possible, and holds the world to its laws. */
  step(choice: number): void {
    const moves = [
      ...times(READINGS_WEIGHT, this.#readings()),
      ...times(DEEDS_WEIGHT, this.#deeds()),
      ...this.#interventionsNow(),
      ...this.#events(),
    ];
    moves[choice % moves.length]?.make();
    this.check();
  }

  /** Nobody interferes any more, everybody answers, and persons see to what waits for them: everything ends. */
  settle(): void {
    for (let round = 0; round < SETTLING_MAX; round++) {
      const next = this.#readings()[0] ?? this.#deeds().find(({ name }) => !/unresolved/.test(name));
      if (next === undefined && !this.#isWaiting) return;
      if (next === undefined) this.#help();
      else next.make();
      this.check();
    }
  }

  get #isWaiting(): boolean {
    return /^(compensating|parked|reconciling)$/.test(this.state ?? '');
  }

  check(): void {
    this.#checkMoney();
    this.#checkHold();
    this.#checkRefund();
    this.#checkEndings();
  }

  get state(): string | undefined {
    return this.s.sagas.findPayment(this.s.uuid)?.state;
  }

  #readings(): Move[] {
    const read = (reader: string, topic: string, take: (event: LogEvent) => unknown): Move[] => {
      const next = this.#next(reader, topic);
      if (next === undefined) return [];
      const make = (): void => {
        this.#read.set(`${reader} ${topic}`, next.position);
        take(next);
      };
      return [{ name: `${reader} reads ${next.type}`, make }];
    };
    return [
      ...['ledger', 'providers', 'validation'].flatMap((topic) =>
        read('authorization', topic, (event) => this.s.coordinate(event)),
      ),
      ...read('ledger', 'authorization', (event) => this.s.post(event)),
      ...read('providers', 'authorization', (event) => this.#ask(event)),
    ];
  }

  #next(reader: string, topic: string): LogEvent | undefined {
    const after = this.#read.get(`${reader} ${topic}`) ?? 0;
    return this.s.log.find((event) => event.topic === topic && event.position === after + 1);
  }

  /** What the providers' service takes on. */
  #ask({ type, data }: LogEvent): void {
    if (data['method'] !== 'gateway') return;
    if (type === 'payment.authorized') this.#charge = 'open';
    if (type === 'payment.cancelling') this.#cancelling = true;
    if (type === 'payment.compensating' && data['step'] === 'refund_charge') this.#givingBack = 'open';
    if (type === 'refund.authorized') this.#refunding = 'open';
    if (type === 'payment.charge_resolved') this.#resolve(data['outcome'] as 'charged' | 'not_charged');
  }

  /** Who was first, the person or the provider; a person who denies what was completed, or takes that back, knows that. */
  #resolve(said: 'charged' | 'not_charged'): void {
    const isCompleted = this.s.said().includes('payment.completed');
    let outcome = said;
    if (this.#givingBack !== 'none') {
      this.#givingBack = 'done';
    } else if (this.#charge === 'done' && !isCompleted) {
      outcome = 'charged';
    } else if (this.#charge === 'not done' && !isCompleted) {
      outcome = 'not_charged';
    } else {
      this.#charge = said === 'charged' ? 'done' : 'not done';
    }
    this.#tell(outcome === 'charged' ? 'resolved charged' : 'resolved not charged');
  }

  #deeds(): Move[] {
    const moves: Move[] = [];
    const may = (told: Told, make: () => void): void => void moves.push({ name: told, make });
    if (this.#charge === 'open') {
      may('approved', () => this.#decide('approved', 'done'));
      if (!this.#cancelling) may('declined', () => this.#decide('declined', 'not done'));
      if (!this.#cancelling) may('exhausted', () => this.#decide('exhausted', 'not done'));
      if (this.#cancelling) may('called off', () => this.#decide('called off', 'not done'));
      if (!this.#told.has('unresolved')) may('unresolved', () => this.#tell('unresolved'));
    }
    if (this.#givingBack === 'open') {
      may('refunded', () => this.#giveBack('refunded', 'done'));
      may('refund refused', () => this.#giveBack('refund refused', 'not done'));
      if (!this.#told.has('refund unresolved'))
        may('refund unresolved', () => this.#tell('refund unresolved'));
    }
    if (this.#refunding === 'open') {
      may('refunded', () => this.#refundBy('refunded', 'done'));
      may('refund refused', () => this.#refundBy('refund refused', 'not done'));
      if (!this.#told.has('refund in doubt'))
        may('refund unresolved', () => {
          this.#told.add('refund in doubt');
          this.#tell('refund unresolved', this.s.refund);
        });
    }
    return moves;
  }

  #decide(told: Told, deed: Deed): void {
    this.#charge = deed;
    this.#tell(told);
  }

  #giveBack(told: Told, deed: Deed): void {
    this.#givingBack = deed;
    this.#tell(told);
  }

  #refundBy(told: Told, deed: Deed): void {
    this.#refunding = deed;
    this.#tell(told, this.s.refund);
  }

  #tell(told: Told, subject?: SagaScenario['payment'] | SagaScenario['refund']): void {
    if (subject === undefined) this.#told.add(told);
    const [topic, type, data] = TOLD[told];
    this.s.tell(topic, type, data, subject);
  }

  /** The payments service lets nobody undo as a whole what is refunded in part, nor the other way round. */
  #interventionsNow(): Move[] {
    if (this.#interventions >= INTERVENTIONS_MAX) return [];
    const moves: Move[] = [];
    const may = (name: string, make: () => void): void =>
      void moves.push({ name, make: () => (this.#interventions++, make()) });
    may('cancel', () => this.#tell('cancel'));
    may('say charged', () => this.#tell('say charged'));
    if (!this.#isRefunded) may('say not charged', () => this.#deny());
    if (this.#isRefundable) may('refund', () => this.#requestRefund());
    return moves;
  }

  get #isRefundable(): boolean {
    return this.s.said().includes('payment.completed') && !this.#isDenied && !this.#isRefunded;
  }

  #deny(): void {
    this.#isDenied = true;
    this.#tell(this.s.said().includes('payment.completed') ? 'revoke' : 'say not charged');
  }

  #requestRefund(): void {
    this.#isRefunded = true;
    const terms = { payment_id: this.s.payment, ...this.s.terms };
    this.s.tell('validation', 'refund.validated', terms, this.s.refund);
  }

  #events(): Move[] {
    const { s } = this;
    return [
      { name: 'time passes', make: () => void (s.now += MINUTE_MS) },
      { name: 'asked again', make: () => void s.askAgain() },
      { name: 'again', make: () => this.#deliverAgain() },
      ...(this.state === undefined ? [] : this.#losses()),
    ];
  }

  /** What makes postings fail. */
  #losses(): Move[] {
    const { s } = this;
    const spend = (from: 'wallet' | 'service', to: 'outside') => ({
      name: `spend what ${from} has`,
      make: () => this.#transfer(from, to, s.balance(from).postedMinor - s.balance(from).heldMinor),
    });
    return [
      spend('service', 'outside'),
      spend('wallet', 'outside'),
      { name: 'close the service', make: () => void s.books.closeAccount(TENANT, 'service') },
      { name: 'close the wallet', make: () => void s.books.closeAccount(TENANT, 'wallet') },
    ];
  }

  #transfer(from: string, to: string, amountMinor: bigint): void {
    if (amountMinor <= 0n) return;
    const postings = [
      { accountId: from, amountMinor: -amountMinor },
      { accountId: to, amountMinor },
    ];
    const id = crypto.randomUUID();
    this.s.books.post({ id, tenant: TENANT, cause: id, purpose: 'manual', postings }, this.s.now);
  }

  /** W6: all that was read so far, to whoever read it. */
  #deliverAgain(): void {
    const before = this.s.snapshot();
    const events = this.s.log.length;
    for (const event of this.s.log.slice(0, events)) {
      const by = event.topic === 'authorization' ? 'ledger' : 'authorization';
      if (event.position > (this.#read.get(`${by} ${event.topic}`) ?? 0)) continue;
      const answer = by === 'ledger' ? this.s.post(event) : this.s.coordinate(event);
      law('W6', answer === undefined, `${event.type} is answered with ${answer?.type}`);
    }
    law('W6', isDeepStrictEqual(this.s.snapshot(), before), 'something changed');
    law('W6', this.s.log.length === events, 'something was said');
  }

  /** Persons look, and money is found. */
  #help(): void {
    const { state } = this;
    this.s.now += 10 * MINUTE_MS;
    this.#transfer('outside', 'service', BigInt(this.s.terms.amount));
    if (state === 'reconciling' && this.#charge === 'open') this.#tell('say not charged');
    if (state === 'parked') this.#seeTo();
    this.s.askAgain();
  }

  /** What cannot be undone, because an account was closed, is left as it was. */
  #seeTo(): void {
    const { s } = this;
    const isClosed = s.balance('service').status === 'closed' || s.balance('wallet').status === 'closed';
    if (isClosed && s.said().includes('payment.completed')) this.#tell('say charged');
    else this.#deny();
  }

  /** W1 */
  #checkMoney(): void {
    const { s } = this;
    const [wallet, service, outside] = [s.balance('wallet'), s.balance('service'), s.balance('outside')];
    const total = wallet.postedMinor + service.postedMinor + outside.postedMinor;
    law('W1', total === this.#total, `${total} there`);
    law('W1', wallet.heldMinor === heldBy(s.hold), 'held on the wallet');
    law('W1', service.heldMinor === heldBy(s.refundHold), 'held on the service');
    const isCovered = wallet.postedMinor >= wallet.heldMinor && service.postedMinor >= service.heldMinor;
    law('W1', isCovered, 'below the floor');
  }

  /** W2, W3 */
  #checkHold(): void {
    const { s, state } = this;
    const held = s.hold?.state;
    if (state === undefined) return;
    law('W2', this.#holdIn(state).test(`${held}`), `${state}, and the hold is ${held}`);
    law('W2', s.hasEntry('payment') === (held === 'captured'), `posted or not, the hold is ${held}`);
    const isGivenBack = (held === 'released' && s.terms.method === 'gateway') || s.hasEntry('reversal');
    const standing = this.#givingBack === 'done' ? 'not done' : this.#charge;
    law(
      'W3',
      !isGivenBack || standing === 'not done' || standing === 'none',
      `given back, the charge is ${standing}`,
    );
  }

  #holdIn(state: string): RegExp {
    const isBalance = this.s.terms.method === 'balance';
    switch (state) {
      case 'declined':
        return this.s.hold === undefined ? /undefined/ : /released/;
      case 'failed':
      case 'cancelled':
        return /released/;
      case 'completed':
        return /captured/;
      case 'compensated':
        return this.s.hasEntry('reversal') ? /captured/ : /released/;
      case 'compensating':
      case 'parked':
      case 'revoking':
        return this.s.said().includes('payment.completed') ? /captured/ : /open/;
      case 'cancelling':
        return isBalance ? /released/ : /open/;
      case 'authorized':
        return isBalance ? /open|captured/ : /open/;
      case 'charged':
        return /open|captured/;
      default:
        return /open/;
    }
  }

  #checkRefund(): void {
    const { s } = this;
    const told = s.said(s.refund);
    const held = s.refundHold?.state;
    const ends = told.filter((type) => /(completed|failed|declined)$/.test(type));
    law('W4', ends.length <= 1, `a refund ended as ${ends.join()}`);
    const state = ends[0] ?? told[0];
    const may = {
      completed: /captured/,
      failed: /released/,
      declined: /undefined/,
      authorized: /open|captured/,
    };
    const expected = may[(state?.split('.')[1] ?? 'declined') as keyof typeof may];
    law('W2', expected.test(`${held}`), `a refund is ${state}, its hold ${held}`);
    const isKept = held !== 'released' || s.terms.method === 'balance' || this.#refunding === 'not done';
    law('W3', isKept, 'a refund that may be made is not held for');
  }

  /** W4, W5 */
  #checkEndings(): void {
    const { s } = this;
    const ends = s.said().filter((type) => /(completed|declined|failed|cancelled|compensated)$/.test(type));
    law('W4', ends.length <= 1 || ends.join() === TWO_ENDS, `ended as ${ends.join()}`);
    const completed = s.log.findIndex(({ type }) => type === 'payment.completed');
    const posted = s.log.findIndex(
      ({ type, data }) => type === 'entry.posted' && purposeIn(data) === 'payment',
    );
    law('W5', completed < 0 || (posted > 0 && posted < completed), 'completed without its entry');
  }
}

const TWO_ENDS = 'payment.completed,payment.compensated';

function law(name: string, isKept: boolean, otherwise: string): void {
  if (!isKept) throw new Error(`${name}: ${otherwise}`);
}

function times<T>(count: number, items: readonly T[]): T[] {
  return Array.from({ length: count }, () => items).flat();
}

function heldBy(hold: Hold | undefined): bigint {
  return hold?.state === 'open' ? hold.amountMinor : 0n;
}

function purposeIn(data: JsonObject): unknown {
  return data['purpose'];
}
