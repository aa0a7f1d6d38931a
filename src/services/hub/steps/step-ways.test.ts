/** Which of a step's events wait for a later batch; what becomes of each is the test's. */
import { expect, test } from 'vitest';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { Carrier, Held, Way } from './carry.ts';
import { rulesStep } from './rules-step.ts';
import { StepWays } from './step-ways.ts';

interface Run {
  readonly events: readonly number[];
  readonly isAlone: boolean;
  readonly shareMs: number | undefined;
}

/** What was run in it, and what waits after it. */
interface Batch {
  readonly runs: readonly Run[];
  readonly waiting: readonly number[];
}

/** A tenant `slow…` has two answers in a run with a share; what is of `stopped` is stopped. A run takes 50 ms, one of the tenant `slow` 100. */
class Scene implements Pick<Carrier, 'prepare'> {
  readonly runs: Run[] = [];
  readonly stopped = new Set<number>();
  /** Of a slow tenant in a run. */
  answers = 2;
  #now = 0;
  readonly ways = new StepWays(this, rulesStep, () => this.#now);
  #retained: readonly LogEvent[] = [];

  async prepare(
    _step: unknown,
    events: readonly LogEvent[],
    { isAlone, shareMs }: { readonly isAlone: boolean; readonly shareMs?: number | undefined },
  ): Promise<ReadonlyMap<string, Way>> {
    this.runs.push({ events: events.map(({ position }) => position), isAlone, shareMs });
    this.#now += events.some(({ tenant }) => tenant === 'slow') ? 100 : 50;
    const done = new Map<string, number>();
    return new Map(
      events.map((event) => {
        const { tenant, position } = event;
        const count = (done.get(tenant) ?? 0) + 1;
        done.set(tenant, count);
        const isLater = shareMs !== undefined && tenant.startsWith('slow') && count > this.answers;
        const later: Held | undefined = isLater ? { kind: 'later' } : undefined;
        const held: Held | undefined = this.stopped.has(position) ? { kind: 'stopped', detail: '' } : later;
        return [eventIdentity(event), { answers: [], held }];
      }),
    );
  }

  batch(...fresh: readonly LogEvent[]): Promise<Batch> {
    return this.#batch(fresh, { isFull: false });
  }

  /** There is more to read. */
  fullBatch(...fresh: readonly LogEvent[]): Promise<Batch> {
    return this.#batch(fresh, { isFull: true });
  }

  /** As the worker makes it. */
  async #batch(fresh: readonly LogEvent[], { isFull }: { isFull: boolean }): Promise<Batch> {
    this.runs.length = 0;
    const events = [...this.#retained, ...fresh];
    await this.ways.prepare(events, { isAlone: fresh.length === 1, isFull, retained: this.#retained });
    const ways = this.ways.of(events);
    this.#retained = events.filter((event) => {
      const way = ways.get(eventIdentity(event));
      return way?.held !== undefined && way.mayWait;
    });
    const gone = events.filter((event) => !this.#retained.includes(event));
    this.ways.forget(gone.map(eventIdentity));
    return { runs: [...this.runs], waiting: this.#retained.map(({ position }) => position) };
  }
}

let position = 0;
function eventOf(tenant: string, messageBytes = 10): LogEvent {
  position++;
  return {
    topic: 'hub',
    partition: 0,
    position,
    type: 'integration.validated',
    version: 1,
    subject: `int_${position}`,
    tenant,
    key: `int_${position}`,
    data: { connector: 'erp', connector_version: 1, message: 'x'.repeat(messageBytes) },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
    occurredAt: 1,
  };
}

const eventsOf = (tenant: string, count: number, messageBytes?: number) =>
  Array.from({ length: count }, () => eventOf(tenant, messageBytes));
const numbers = (events: readonly LogEvent[]) => events.map((event) => event.position);

test('Q1: what is behind the share waits, the oldest goes on first, and no more of it is handed over than may come through', async () => {
  const scene = new Scene();
  const slow = eventsOf('slow', 20);
  const other = eventOf('other');
  expect((await scene.batch(...slow, other)).waiting).toEqual(numbers(slow.slice(2)));
  const more = [eventOf('other'), eventOf('slow')];
  const { runs, waiting } = await scene.batch(...more);
  expect(runs.map(({ events }) => events)).toEqual([numbers([...slow.slice(2, 6), more[0] as LogEvent])]);
  expect(waiting).toEqual(numbers([...slow.slice(4), more[1] as LogEvent]));
  let left = waiting.length;
  for (let batches = 0; batches < 9; batches++) left = (await scene.batch()).waiting.length;
  expect(left).toBe(0);
});

test('Q1: tenants that wait together have one share between them, though none has nothing', async () => {
  const scene = new Scene();
  const sharesWith = async (name: string, count: number) => {
    const tenants = Array.from({ length: count }, (_, tenant) => eventsOf(`slow-${name}-${tenant}`, 40));
    await scene.batch(...tenants.flat());
    const { runs } = await scene.batch();
    return runs[0]?.shareMs;
  };
  expect([await sharesWith('a', 1), await sharesWith('b', 1), await sharesWith('c', 30)]).toEqual([
    250, 125, 50,
  ]);
});

test('Q2: what was stopped is tried alone, one in a batch, beside everything else', async () => {
  const scene = new Scene();
  const loops = eventsOf('loops', 3);
  for (const { position: at } of loops) scene.stopped.add(at);
  const [first, second, third] = numbers(loops);
  expect((await scene.batch(...loops, eventOf('other'))).waiting).toEqual([first, second, third]);
  const more = eventsOf('other', 2);
  const { runs, waiting } = await scene.batch(...more);
  expect(runs).toEqual([
    { events: [first], isAlone: true, shareMs: undefined },
    { events: [second, third, ...numbers(more)], isAlone: false, shareMs: 250 },
  ]);
  expect(waiting).toEqual([first, second, third]);
  scene.stopped.clear();
  expect((await scene.batch()).waiting).toEqual([]);
});

test('Q2: of what was stopped a batch has no more beside that one than it reads, and of its tenant what is slow goes on', async () => {
  const scene = new Scene();
  const loops = eventsOf('slow', 1000);
  for (const { position: at } of loops) scene.stopped.add(at);
  const slow = eventsOf('slow', 5);
  await scene.batch(...loops, ...slow);
  const { runs } = await scene.batch();
  expect(runs.map(({ events }) => events.length)).toEqual([1, 500 + 1]);
  expect(runs[1]?.events).toContain(slow[0]?.position);
});

test('Q3: a sole new event is tried alone, and nothing that waits beside it', async () => {
  const scene = new Scene();
  const slow = eventsOf('slow', 5);
  await scene.batch(...slow);
  const loop = eventOf('loops');
  scene.stopped.add(loop.position);
  const { runs, waiting } = await scene.batch(loop);
  expect(runs).toEqual([{ events: [loop.position], isAlone: true, shareMs: undefined }]);
  expect(waiting).toEqual([...numbers(slow.slice(2)), loop.position]);
  const after = await scene.batch();
  expect(after.runs[0]).toEqual({ events: [loop.position], isAlone: true, shareMs: undefined });
  expect(after.waiting).toEqual([...numbers(slow.slice(4)), loop.position]);
});

test('Q3: events that come one by one keep nothing waiting for ever', async () => {
  const scene = new Scene();
  const slow = eventsOf('slow', 8);
  await scene.batch(...slow);
  const left: number[] = [];
  for (let batches = 0; batches < 6; batches++)
    left.push((await scene.batch(eventOf('other'))).waiting.length);
  expect(left).toEqual([6, 4, 4, 2, 2, 0]);
});

test('Q5: while there is more to read, what waits is passed over for as long as its turn took, and so is what its tenant sends', async () => {
  const scene = new Scene();
  const slow = eventsOf('slow', 8);
  await scene.fullBatch(...slow);
  const left: number[] = [];
  for (let batches = 0; batches < 6; batches++) {
    const others = eventsOf('other', 2);
    const { runs, waiting } = await scene.fullBatch(...others, eventOf('slow'));
    left.push(waiting.length);
    expect(runs.flatMap(({ events }) => events)).toEqual(expect.arrayContaining(numbers(others)));
  }
  expect(left).toEqual([7, 8, 7, 8, 9, 8]);
  expect((await scene.batch(...eventsOf('other', 2))).waiting).toHaveLength(6);
});

test('Q5: a tenant that turns out to be slow beside those that are passed over waits with them', async () => {
  const scene = new Scene();
  await scene.fullBatch(...eventsOf('slow', 8));
  expect((await scene.fullBatch(...eventsOf('slow-too', 4))).waiting).toHaveLength(8);
  const other = eventOf('other');
  const { runs } = await scene.fullBatch(...eventsOf('slow-too', 4), other);
  expect(runs.map(({ events }) => events)).toEqual([numbers([other])]);
});

test('Q1: of a tenant that waits no more is handed over than a batch has otherwise, however many came through', async () => {
  const scene = new Scene();
  const quick = eventsOf('slow', 4000);
  const rest = async () => (await scene.batch()).runs[0]?.events.length ?? 0;
  await scene.batch(...quick);
  scene.answers = Number.POSITIVE_INFINITY;
  const runs: number[] = [];
  for (let batches = 0; batches < 11; batches++) runs.push(await rest());
  expect(Math.max(...runs)).toBe(500);
});

test('Q4: what memory may not hold waits for nothing, however slow it is', async () => {
  const scene = new Scene();
  const slow = eventsOf('slow', 300, 65_536);
  const { runs, waiting } = await scene.batch(...slow);
  // 16 MiB, at 65 KiB each.
  expect(waiting).toEqual(numbers(slow.slice(2, 252)));
  expect(runs[1]).toEqual({ events: numbers(slow.slice(252)), isAlone: false, shareMs: undefined });
  const loop = eventOf('loops', 65_536 * 3);
  scene.stopped.add(loop.position);
  const other = eventOf('other');
  await scene.batch(other, loop);
  expect(scene.ways.of([loop]).size).toBe(0);
});

test('D3: a redelivery keeps nothing back', async () => {
  const scene = new Scene();
  const events = eventsOf('slow', 5);
  scene.stopped.add(events[0]?.position ?? 0);
  await scene.ways.prepare(events, { isAlone: false });
  expect(scene.runs).toEqual([{ events: numbers(events), isAlone: false, shareMs: undefined }]);
  const ways = [...scene.ways.of(events).values()];
  expect(ways.map(({ held, mayWait }) => [held?.kind, mayWait])).toEqual([
    ['stopped', false],
    ...events.slice(1).map(() => [undefined, false]),
  ]);
});
