import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { Command } from '../batch/command.ts';
import { type CommandOutcome, QueueFull } from '../batch/command-worker.ts';
import { runCommand } from './command-route.ts';
import { type EdgeFixture, givenEdge, KEY } from './edge-fixture.ts';
import type { HttpApp } from './http-app.ts';

type Answering = (command: Command) => Promise<CommandOutcome>;

const CREATED: CommandOutcome = {
  answer: { status: 201, body: '{"id":"t1", "spaced": 1}' },
  replayed: false,
};

let edge: EdgeFixture;
let submitted: Command[];
let answering: Answering;
let obstacle: Problem | undefined;
/** By key, what was answered before. */
let decided: Map<string | undefined, CommandOutcome>;

beforeAll(async () => {
  edge = await givenEdge({ sandboxTenant: undefined });
  addRoute(edge.app, '/v1/keyed', 'required');
  addRoute(edge.app, '/v1/keyless', 'optional');
  addRoute(edge.app, '/v1/silent');
});

afterAll(() => edge.app.close());

beforeEach(() => {
  submitted = [];
  answering = () => Promise.resolve(CREATED);
  obstacle = undefined;
  decided = new Map();
});

function addRoute(app: HttpApp, url: string, idempotencyKey?: 'required' | 'optional'): void {
  const queue = {
    submit: (command: Command) => {
      submitted.push(command);
      return answering(command);
    },
  };
  const config = { scope: 'things:write', ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
  app.post(url, { config }, (request, reply) => {
    const { body } = request;
    return runCommand(request, reply, queue, {
      operation: 'things.create',
      body,
      id: 't1',
      admission: {
        obstacle: () => obstacle,
        findDecided: (command) => Promise.resolve(decided.get(command.idempotencyKey)),
      },
    });
  });
}

function post(headers: Record<string, string> = { 'idempotency-key': 'k1' }, url = '/v1/keyed') {
  const all = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers };
  return edge.app.inject({ method: 'POST', url, headers: all, payload: '{"a":1}' });
}

function refusalOf(answer: Awaited<ReturnType<typeof post>>): [number, string] {
  return [answer.statusCode, answer.json<{ code: string }>().code];
}

test('a command carries who asked, under which key and correlation, and what they sent', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await post({ 'idempotency-key': '"k1"', 'x-correlation-id': 'c-1', traceparent });
  expect(submitted).toEqual([
    {
      operation: 'things.create',
      tenant: 'acme',
      idempotencyKey: 'k1',
      body: { a: 1 },
      id: 't1',
      requestId: expect.stringMatching(/^req_/) as string,
      correlationId: 'c-1',
      traceparent,
      actor: 'key_1',
    },
  ]);
});

test('the answer is what was decided, byte for byte', async () => {
  const answer = await post();
  expect([answer.statusCode, answer.body]).toEqual([201, CREATED.answer.body]);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.headers['idempotency-replayed']).toBeUndefined();
});

test('a replay has the first answer and says that it is one (U1)', async () => {
  answering = () => Promise.resolve({ ...CREATED, replayed: true });
  const answer = await post();
  expect([answer.statusCode, answer.body]).toEqual([201, CREATED.answer.body]);
  expect(answer.headers['idempotency-replayed']).toBe('true');
});

test('a decided refusal is a problem document, also when it is replayed', async () => {
  answering = () =>
    Promise.resolve({ answer: { status: 409, body: '{"code":"things.gone"}' }, replayed: true });
  const answer = await post();
  expect([answer.statusCode, answer.body]).toEqual([409, '{"code":"things.gone"}']);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
});

test('without the key that it needs, a command never reaches the batch', async () => {
  const answer = await post({});
  expect(refusalOf(answer)).toEqual([400, 'request.missing_idempotency_key']);
  expect(submitted).toEqual([]);
});

test('where the key is optional, its absence is passed on and a faulty one is still refused', async () => {
  expect((await post({}, '/v1/keyless')).statusCode).toBe(201);
  expect(submitted[0]?.idempotencyKey).toBeUndefined();
  const faulty = await post({ 'idempotency-key': 'x'.repeat(256) }, '/v1/keyless');
  expect(refusalOf(faulty)).toEqual([400, 'request.invalid_idempotency_key']);
});

test('a route of commands that does not say whether it needs a key runs none', async () => {
  expect(refusalOf(await post({}, '/v1/silent'))).toEqual([500, 'internal.fault']);
  expect(submitted).toEqual([]);
});

test('what admission refuses never reaches the batch, and says when to come again', async () => {
  obstacle = problem('service.overloaded', 'Events wait.', { members: { retry_after_seconds: 7 } });
  const answer = await post();
  expect(refusalOf(answer)).toEqual([503, 'service.overloaded']);
  expect(answer.headers['retry-after']).toBe('7');
  expect(submitted).toEqual([]);
});

test('U1: what was decided before is replayed whatever refuses new commands', async () => {
  decided.set('k1', { ...CREATED, replayed: true });
  obstacle = problem('service.overloaded', 'Events wait.');
  const overloaded = await post();
  obstacle = undefined;
  answering = () => Promise.reject(new QueueFull('too many requests are waiting'));
  const full = await post();
  for (const answer of [overloaded, full]) {
    expect([answer.statusCode, answer.body]).toEqual([201, CREATED.answer.body]);
    expect(answer.headers['idempotency-replayed']).toBe('true');
  }
  expect(refusalOf(await post({ 'idempotency-key': 'k2' }))).toEqual([503, 'service.overloaded']);
});

test('a full queue is an overload that passes', async () => {
  answering = () => Promise.reject(new QueueFull('too many requests are waiting'));
  const answer = await post();
  expect(refusalOf(answer)).toEqual([503, 'service.overloaded']);
  expect(answer.headers['retry-after']).toBe('2');
});

test('a database that did not take the command in time is unavailable, and says nothing of itself', async () => {
  answering = () => Promise.reject(new Fault('connect ECONNREFUSED 10.1.2.3', { transient: true }));
  const answer = await post();
  expect(refusalOf(answer)).toEqual([503, 'service.unavailable']);
  expect(answer.headers['retry-after']).toBe('1');
  expect(answer.body).not.toContain('10.1.2.3');
});
