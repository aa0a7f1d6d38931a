import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { correlated, createLogger } from './logger.ts';

function given(level = 'debug') {
  const lines: Record<string, unknown>[] = [];
  const to = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  return { logger: createLogger({ level, to }), lines };
}

test('a line is one JSON object with its level by name and its time in RFC 3339', () => {
  const { logger, lines } = given();
  logger.warn({ partition: 3 }, 'lease lost');
  expect(lines).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      pid: process.pid,
      partition: 3,
      msg: 'lease lost',
    },
  ]);
});

test('U17: a correlated log has the id on every line', () => {
  const { logger, lines } = given();
  const log = correlated(logger, 'order-42');
  log.info('one');
  log.child({ topic: 'payments' }).error('two');
  expect(lines).toMatchObject([
    { correlation_id: 'order-42' },
    { correlation_id: 'order-42', topic: 'payments' },
  ]);
});

test('what is below the level is not written', () => {
  const { logger, lines } = given('warn');
  logger.info('unseen');
  expect(lines).toEqual([]);
});

describe('what has gone wrong is told with its causes', () => {
  const BROKEN = new Fault('batch failed', { transient: true, cause: new Error('connection reset') });
  const WRONG = new Error('no such table');

  test.each<[level: string, error: Error, told: { message: string; hasStack: boolean }]>([
    ['info', WRONG, { message: 'no such table', hasStack: true }],
    ['info', BROKEN, { message: 'batch failed: connection reset', hasStack: false }],
    ['debug', BROKEN, { message: 'batch failed: connection reset', hasStack: true }],
  ])('at %s: %s', (level, error, told) => {
    const { logger, lines } = given(level);
    logger.warn({ err: error }, 'x');
    const [line] = lines as { err: { message: string; stack?: string } }[];
    expect({ message: line?.err.message, hasStack: line?.err.stack !== undefined }).toEqual(told);
  });
});

test('H6: no secret is written, wherever in a line it stands', () => {
  const { logger, lines } = given();
  logger.info({
    authorization: 'hunter2',
    password: 'hunter2',
    headers: { authorization: 'hunter2', cookie: 'hunter2' },
    request: { headers: { authorization: 'hunter2' }, token: 'hunter2' },
    endpoint: { secret: 'hunter2', api_key: 'hunter2' },
  });
  expect(JSON.stringify(lines)).not.toContain('hunter2');
  expect(lines).toMatchObject([{ authorization: '[redacted]' }]);
});
