/**
 * The rules against a model of two providers that misbehave, of a network that delays and loses, of processes that are
 * paused and killed, and of people who cancel and resolve. Whatever happens in whatever order: the provider's book has
 * one charge of a payment if we say that it is charged, and none if we say that it is not, but for what was given back.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assertNever } from '#kernel/fault.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';
import { type Attempt, attemptId, type Operation, operationOf } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { beginCharge, callOff, type EventContext } from './begin-attempts.ts';
import { decideAttempt } from './decide-attempt.ts';
import type { CallResult, Report, Statement } from './report.ts';
import { resolve } from './resolve-charge.ts';
import { routingOf } from './routing.ts';
import { AWAITED_WITHIN_MS, CLOCK_SKEW_MS, sendingWindow } from './schedule.ts';

const PAYMENT = 'pay_01h455vb4pex5vsknk084sn02q';
const TIMEOUT_MS = 2000;
/** After its time to be sent is over by our clock: the sender's is behind, and it goes on until its timeout. */
const LEAVES_WITHIN_MS = CLOCK_SKEW_MS + TIMEOUT_MS;
const SETTLES_WITHIN_MS = 5000;

/** What a provider has of one key. */
type Booked = 'approved' | 'declined' | 'pending' | 'voided' | 'refunded';

/** How a request goes, whatever it asks for. */
type Fate =
  | 'answered'
  | 'lost'
  | 'answer lost'
  | 'refused'
  | 'busy'
  | 'throttled'
  | 'error before'
  | 'error after';
type Mood = 'approves' | 'declines' | 'waits';

class Book {
  readonly entries = new Map<string, Booked>();
  readonly canVoid: boolean;

  constructor(canVoid: boolean) {
    this.canVoid = canVoid;
  }

  charge(key: string, mood: Mood): CallResult {
    const known = this.entries.get(key);
    if (known === undefined)
      this.entries.set(key, mood === 'approves' ? 'approved' : mood === 'declines' ? 'declined' : 'pending');
    return this.inquire(key);
  }

  inquire(key: string, askedAt = 0): CallResult {
    switch (this.entries.get(key)) {
      case undefined:
        return { kind: 'not_found', askedAt };
      case 'approved':
      case 'refunded':
        return { kind: 'approved', reference: key };
      case 'declined':
        return { kind: 'declined', code: 'no', detail: '' };
      case 'voided':
        return { kind: 'voided' };
      case 'pending':
        return { kind: 'pending', reference: key };
      default:
        throw new Error(`the book of ${key} is damaged`);
    }
  }

  void(key: string): CallResult {
    const known = this.entries.get(key);
    if (known === undefined || known === 'pending') this.entries.set(key, 'voided');
    return this.inquire(key);
  }

  refund(key: string): CallResult {
    const known = this.entries.get(key);
    if (known !== 'approved' && known !== 'refunded')
      return { kind: 'rejected', code: 'charge_not_approved', detail: '' };
    this.entries.set(key, 'refunded');
    return { kind: 'refunded', reference: key };
  }

  /** What was pending is decided. */
  settle(mood: Mood): void {
    for (const [key, booked] of this.entries)
      if (booked === 'pending' && mood !== 'waits')
        this.entries.set(key, mood === 'approves' ? 'approved' : 'declined');
  }

  get charged(): number {
    return [...this.entries.values()].filter((booked) => booked === 'approved').length;
  }
}

/** A request that was let go and has not arrived yet, or whose answer has not. */
interface OnTheWay {
  readonly attempt: Attempt;
  readonly operation: Operation;
  readonly leftAt: number;
  answer?: CallResult;
}

class World {
  now = 1_000_000;
  readonly books: Record<string, Book>;
  attempts = new Attempts([]);
  readonly onTheWay: OnTheWay[] = [];
  readonly told: string[] = [];
  /** Whether a provider that cannot void needs no longer than it says, and one that can blocks what it has voided. */
  keepsItsWord = true;
  /** Providers that would be sent one more charge, if they are called. */
  rooms: readonly string[] = ['alfa', 'beta'];
  /** Providers that are called: their breakers are closed. */
  called: readonly string[] = ['alfa', 'beta'];
  /** Providers that are expected back soon if they are not called. */
  expected: readonly string[] = ['alfa', 'beta'];
  #rows = new Map<string, Attempt>();
  #position = 1;
  readonly #routing;

  constructor(canVoid: readonly [boolean, boolean]) {
    this.books = { alfa: new Book(canVoid[0]), beta: new Book(canVoid[1]) };
    this.#routing = routingOf(
      {
        providers: Object.entries(this.books).map(([name, book]) => ({
          name,
          url: '',
          apiKey: '',
          webhookSecret: '',
          timeoutMs: TIMEOUT_MS,
          concurrency: 1,
          canVoid: book.canVoid,
          settlesWithinMs: SETTLES_WITHIN_MS,
        })),
        routes: [{ currencies: null, minAmount: 1, maxAmount: 1000, providers: ['alfa', 'beta'] }],
      },
      {
        isAvailable: (provider) => this.called.includes(provider),
        hasRoom: (provider) => this.#hasRoom(provider),
        isAwaited: (provider) => this.#isAwaited(provider),
      },
    );
  }

  get rows(): readonly Attempt[] {
    return [...this.#rows.values()];
  }

  #isAwaited(provider: string): boolean {
    return this.called.includes(provider) || this.expected.includes(provider);
  }

  #hasRoom(provider: string): boolean {
    return this.called.includes(provider) && this.rooms.includes(provider);
  }

  /** One commit. */
  #commit(decide: (attempts: Attempts, context: EventContext) => void): void {
    const attempts = new Attempts(this.rows);
    const context: EventContext = {
      now: this.now,
      random: () => 0.5,
      routing: this.#routing,
      deadlines: { chargeMs: 60_000, refundMs: 600_000 },
      isAgain: false,
      takePlace: (provider) => this.#hasRoom(provider),
    };
    decide(attempts, context);
    const { begun, changed, drafts } = attempts.changes();
    for (const row of [...begun, ...changed]) this.#rows.set(row.uuid, row);
    for (const draft of drafts)
      this.told.push(
        draft.type === 'provider.resolved'
          ? `${draft.type} ${JSON.stringify(draft.data['outcome'])}`
          : draft.type,
      );
    for (const row of begun)
      if (row.state === 'sending' && row.calls > 0)
        this.onTheWay.push({ attempt: row, operation: row.kind, leftAt: this.now });
  }

  #event<Data extends PaymentTerms>(type: string, data: Data): LogEvent<Data> {
    return {
      topic: 'authorization',
      partition: 0,
      position: this.#position++,
      occurredAt: this.now,
      type,
      version: 1,
      subject: PAYMENT,
      tenant: 'acme',
      key: 'wallet',
      data,
      correlationId: 'cor',
      causation: 'req',
      traceparent: null,
    };
  }

  begin(first: { readonly fate: Fate; readonly mood: Mood } | null): void {
    const event = this.#event('payment.authorized', { ...TERMS, hold_id: 'hld' });
    this.#commit((attempts, context) => beginCharge(attempts, event, context));
    if (first === null) return;
    this.arrive(0, first.fate, first.mood);
    this.answer(0, true);
  }

  cancel(): void {
    const event = this.#event('payment.cancelling', TERMS);
    for (const _ of [1, 2]) this.#commit((attempts, context) => callOff(attempts, event, context));
  }

  resolve(outcome: 'charged' | 'not_charged'): void {
    const event = this.#event('payment.charge_resolved', {
      ...TERMS,
      outcome,
      reason: 'seen',
      actor: 'key',
      regarding: 'charge' as const,
    });
    this.#commit((attempts, context) => resolve(attempts, event, { ...context, isAnswered: false }));
  }

  /** The sweeper's claim. */
  claim(): void {
    const due = this.rows.find((row) => row.dueAt !== null && row.dueAt <= this.now && !this.#isHeld(row));
    if (due === undefined) return;
    const window = sendingWindow(this.now, TIMEOUT_MS);
    const isWaiting = due.state === 'waiting';
    const claimed: Attempt = {
      ...due,
      state: isWaiting ? 'sending' : due.state,
      sendBefore: isWaiting ? window.sendBefore : due.sendBefore,
      dueAt: window.dueAt,
      calls: due.calls + 1,
    };
    this.#rows.set(claimed.uuid, claimed);
    if (due.kind === 'charge' && due.state === 'sending') this.report(claimed, 'charge', { kind: 'lapsed' });
    else if (isWaiting && this.now >= due.deadlineAt) this.report(claimed, 'charge', TOO_LATE);
    else this.onTheWay.push({ attempt: claimed, operation: operationOf(due), leftAt: this.now });
  }

  /** It waits for any provider to be called again. */
  #isHeld({ state, deadlineAt, provider, exposed, createdAt, others }: Attempt): boolean {
    return (
      state === 'waiting' &&
      deadlineAt > this.now &&
      !this.called.includes(provider) &&
      !exposed &&
      (createdAt + AWAITED_WITHIN_MS > this.now ||
        [provider, ...others].some((each) => this.#isAwaited(each))) &&
      !others.some((other) => this.#hasRoom(other))
    );
  }

  report(attempt: Attempt, operation: Operation, result: CallResult): void {
    this.#apply(attempt, { from: 'call', operation, begunAs: attempt.calls, call: attempt.calls, result });
  }

  #apply({ subject, uuid }: Attempt, report: Report): void {
    // Whatever is reported twice changes nothing the second time.
    this.#commit((attempts, context) => void decideAttempt(attempts, { subject, uuid, report }, context));
    const told = this.told.length;
    if (report.from === 'callback') {
      this.#commit((attempts, context) => void decideAttempt(attempts, { subject, uuid, report }, context));
      if (this.told.length !== told) throw new Error('the same callback again told something');
    }
  }

  /** What is due next is done, and heard of, while older requests are still on their way. */
  work(fate: Fate, mood: Mood): void {
    const next = Math.min(...this.rows.map(({ dueAt }) => dueAt ?? Number.POSITIVE_INFINITY));
    if (next === Number.POSITIVE_INFINITY) return;
    this.pass(Math.max(0, next - this.now));
    const before = this.onTheWay.length;
    this.claim();
    if (this.onTheWay.length === before) return;
    this.arrive(before, fate, mood);
    this.answer(before, true);
  }

  /** A request arrives, whenever it was let go; a charge is looked at by its sender just before it lets it go. */
  arrive(index: number, fate: Fate, mood: Mood): void {
    const request = this.onTheWay[index % Math.max(1, this.onTheWay.length)];
    if (request === undefined || request.answer !== undefined) return;
    const { attempt, operation, leftAt } = request;
    const book = this.books[attempt.provider];
    if (book === undefined) throw new Error(`no book of ${attempt.provider}`);
    if (operation === 'charge' && !this.#hasRoom(attempt.provider)) {
      request.answer = this.called.includes(attempt.provider) ? BUSY : NOT_CALLED;
      return;
    }
    request.answer = FAILURES[fate] ?? this.#act(book, operation, { attempt, mood, leftAt });
    if (fate === 'answer lost') {
      this.#act(book, operation, { attempt, mood, leftAt });
      request.answer = { kind: 'unclear', detail: 'lost' };
    } else if (fate === 'error after') {
      this.#act(book, operation, { attempt, mood, leftAt });
      request.answer = { kind: 'error', detail: '500' };
    }
  }

  #act(
    book: Book,
    operation: Operation,
    { attempt, mood, leftAt }: { attempt: Attempt; mood: Mood; leftAt: number },
  ): CallResult {
    const key = attemptId(attempt);
    switch (operation) {
      case 'charge':
        if (!this.keepsItsWord && book.entries.get(key) === 'voided') book.entries.delete(key);
        return book.charge(key, mood);
      case 'inquire':
        return book.inquire(key, leftAt);
      case 'void':
        return book.void(key);
      case 'refund':
        return book.refund(attemptId({ uuid: attempt.chargeUuid ?? '' }));
      case 'inquire_refund':
        return { kind: 'not_found', askedAt: leftAt };
      default:
        return assertNever(operation);
    }
  }

  /** An answer comes back, or its process has been killed meanwhile. */
  answer(index: number, isHeard: boolean): void {
    const at = index % Math.max(1, this.onTheWay.length);
    const request = this.onTheWay[at];
    if (request?.answer === undefined) return;
    this.onTheWay.splice(at, 1);
    if (isHeard) this.report(request.attempt, request.operation, request.answer);
  }

  /** A sender that does not let its request go: it was too late, or killed before. */
  drop(index: number): void {
    const at = index % Math.max(1, this.onTheWay.length);
    const request = this.onTheWay[at];
    if (request !== undefined && request.answer === undefined) this.onTheWay.splice(at, 1);
  }

  callBack(index: number): void {
    const attempt = this.rows[index % Math.max(1, this.rows.length)];
    if (attempt === undefined || attempt.kind !== 'charge') return;
    const said = this.books[attempt.provider]?.inquire(attemptId(attempt));
    if (said === undefined || said.kind === 'not_found') return;
    this.#apply(attempt, { from: 'callback', result: said as Statement });
  }

  /**
   * A provider that cannot void is relied on for its longest delay: what was let go has arrived by then. A sender that
   * began in time, by its own clock, may have held its request until it gave it up.
   */
  pass(ms: number): void {
    this.now += ms;
    for (const [index, { attempt, operation, answer }] of this.onTheWay.entries()) {
      const isLate = this.now > attempt.sendBefore + LEAVES_WITHIN_MS + SETTLES_WITHIN_MS;
      const cannotVoid = this.books[attempt.provider]?.canVoid === false;
      if (operation === 'charge' && answer === undefined && isLate && cannotVoid && this.keepsItsWord)
        this.arrive(index, 'answer lost', 'approves');
    }
  }

  /** Nobody disturbs any more: everything that is due is done, and every provider has called back. */
  settle(): void {
    this.rooms = ['alfa', 'beta'];
    this.called = ['alfa', 'beta'];
    this.#doWhatIsDue();
    for (const index of this.rows.keys()) this.callBack(index);
    this.#doWhatIsDue();
  }

  #doWhatIsDue(): void {
    for (const book of Object.values(this.books)) book.settle('approves');
    for (let turn = 0; turn < 400; turn++) {
      for (const index of this.onTheWay.keys()) this.arrive(index, 'answered', 'approves');
      while (this.onTheWay.length > 0) this.answer(0, true);
      for (const book of Object.values(this.books)) book.settle('approves');
      const next = Math.min(...this.rows.map(({ dueAt }) => dueAt ?? Number.POSITIVE_INFINITY));
      if (next === Number.POSITIVE_INFINITY) return;
      this.pass(Math.max(0, next - this.now));
      this.claim();
    }
    throw new Error(`not settled: ${JSON.stringify(this.rows)}`);
  }
}

const TERMS: PaymentTerms = {
  wallet_id: 'wallet',
  service_id: 'service',
  amount: 100,
  currency: 'USD',
  method: 'gateway',
};

const BUSY: CallResult = { kind: 'busy', detail: 'busy' };
const NOT_CALLED: CallResult = { kind: 'not_called', detail: 'not called' };
const TOO_LATE: CallResult = { kind: 'too_late', detail: 'too late' };
const FAILURES: Partial<Record<Fate, CallResult>> = {
  lost: { kind: 'unclear', detail: 'lost' },
  refused: { kind: 'not_sent', detail: 'refused' },
  busy: BUSY,
  throttled: { kind: 'throttled', retryAfterMs: 1000 },
  'error before': { kind: 'error', detail: '500' },
};

const FATES: readonly Fate[] = [
  'answered',
  'lost',
  'answer lost',
  'refused',
  'busy',
  'throttled',
  'error before',
  'error after',
];
const MOODS: readonly Mood[] = ['approves', 'declines', 'waits'];
const index = fc.nat({ max: 20 });
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      fate: fc.constantFrom(...FATES),
      mood: fc.constantFrom(...MOODS),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      index,
      fate: fc.constantFrom(...FATES),
      mood: fc.constantFrom(...MOODS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), index, isHeard: fc.boolean() }) },
  { weight: 3, arbitrary: fc.constant({ do: 'claim' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(10, 500, 2000, 7000, 20_000, 60_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('call back' as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), index }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('settle book' as const), mood: fc.constantFrom(...MOODS) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'cancel' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('find room' as const),
      rooms: fc.subarray(['alfa', 'beta']),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('call' as const),
      called: fc.subarray(['alfa', 'beta']),
      expected: fc.subarray(['alfa', 'beta']),
    }),
  },
);

/** The first request is answered at once, or stays on its way until a step lets it arrive. */
const first = fc.option(fc.record({ fate: fc.constantFrom(...FATES), mood: fc.constantFrom(...MOODS) }));

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function play(world: World, each: Step): void {
  switch (each.do) {
    case 'arrive':
      return world.arrive(each.index, each.fate, each.mood);
    case 'answer':
      return world.answer(each.index, each.isHeard);
    case 'claim':
      return world.claim();
    case 'work':
      return world.work(each.fate, each.mood);
    case 'pass':
      return world.pass(each.ms);
    case 'call back':
      return world.callBack(each.index);
    case 'drop':
      return world.drop(each.index);
    case 'settle book':
      for (const book of Object.values(world.books)) book.settle(each.mood);
      return;
    case 'cancel':
      return world.cancel();
    case 'find room':
      world.rooms = each.rooms;
      return;
    case 'call':
      world.called = each.called;
      world.expected = each.expected;
      return;
  }
}

const ENDS = ['provider.approved', 'provider.declined', 'provider.exhausted', 'provider.cancelled'];

function chargedIn(world: World): number {
  return Object.values(world.books).reduce((sum, book) => sum + book.charged, 0);
}

const canVoid = fc.tuple(fc.boolean(), fc.boolean());
const RUNS = { numRuns: 3000 };
type Play = [[boolean, boolean], { fate: Fate; mood: Mood } | null, Step[]];

/** The provider failed having charged, and has no room until the deadline is over. */
const BUSY_TOO_LONG: Play = [
  [false, false],
  { fate: 'error after', mood: 'approves' },
  [
    { do: 'find room', rooms: [] },
    { do: 'pass', ms: 60_000 },
    { do: 'work', fate: 'answered', mood: 'approves' },
  ],
];

/** Nobody is called until nobody is waited for any more; the request had never left. */
const NOBODY: Play = [
  [true, true],
  { fate: 'refused', mood: 'approves' },
  [
    { do: 'call', called: [], expected: ['beta'] },
    { do: 'work', fate: 'answered', mood: 'approves' },
    { do: 'pass', ms: 7000 },
    { do: 'call', called: [], expected: [] },
    { do: 'work', fate: 'answered', mood: 'approves' },
    { do: 'call', called: ['beta'], expected: [] },
  ],
];

/** An inquiry finds nothing, the charge arrives after it as late as it may, and then the inquiry's answer. */
const STALE: Play = [
  [false, false],
  null,
  [
    { do: 'pass', ms: 7000 },
    { do: 'claim' },
    { do: 'claim' },
    { do: 'arrive', index: 1, fate: 'answered', mood: 'approves' },
    { do: 'pass', ms: 20_000 },
    { do: 'answer', index: 1, isHeard: true },
  ],
];

/** The first request leaves as late as it can, while its provider is asked for it. */
const HELD: Play = [
  [false, false],
  null,
  Array.from({ length: 4 }, () => ({ do: 'work', fate: 'answered', mood: 'approves' })),
];

test('P4, D4: a payment has one end, and the providers’ books have its one charge or none', () => {
  fc.assert(
    fc.property(canVoid, first, fc.array(step, { maxLength: 60 }), (voids, beginning, steps) => {
      const world = new World(voids);
      world.begin(beginning);
      for (const each of steps) {
        play(world, each);
        // Never two that the payment keeps, at no moment.
        expect(world.rows.filter(({ state }) => state === 'approved').length).toBeLessThanOrEqual(1);
      }
      world.settle();
      const ends = world.told.filter((type) => ENDS.includes(type));
      expect(ends).toHaveLength(1);
      // D2: nothing is closed that can still be charged, as long as providers do as they say.
      expect(world.told).not.toContain('provider.charged_unexpectedly');
      expect(chargedIn(world)).toBe(ends[0] === 'provider.approved' ? 1 : 0);
    }),
    { ...RUNS, examples: [BUSY_TOO_LONG, NOBODY, HELD, STALE] },
  );
});

test('D4: what a provider charges against its word is given back', () => {
  fc.assert(
    fc.property(canVoid, first, fc.array(step, { maxLength: 60 }), (voids, beginning, steps) => {
      const world = new World(voids);
      world.keepsItsWord = false;
      world.begin(beginning);
      for (const each of steps) play(world, each);
      world.settle();
      const [end] = world.told.filter((type) => ENDS.includes(type));
      expect(chargedIn(world)).toBe(end === 'provider.approved' ? 1 : 0);
    }),
    RUNS,
  );
});

test('D4: after a person has spoken, what a provider turns out to have charged against that is given back', () => {
  fc.assert(
    fc.property(
      canVoid,
      first,
      fc.array(step, { maxLength: 40 }),
      fc.boolean(),
      (voids, beginning, steps, isCharged) => {
        const world = new World(voids);
        world.begin(beginning);
        for (const each of steps) play(world, each);
        const ended = world.told.find((type) => ENDS.includes(type));
        world.resolve(isCharged ? 'charged' : 'not_charged');
        const resolved = world.told.find((type) => type.startsWith('provider.resolved'));
        world.settle();
        if (ended === 'provider.approved') expect(resolved).toBe('provider.resolved "charged"');
        if (resolved === 'provider.resolved "not_charged"') expect(chargedIn(world)).toBe(0);
        else expect(chargedIn(world)).toBeLessThanOrEqual(1);
      },
    ),
    RUNS,
  );
});
