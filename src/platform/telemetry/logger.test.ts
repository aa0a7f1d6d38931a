import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
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

test('a fault is told with its cause and both stacks', () => {
  const { logger, lines } = given();
  logger.error(
    { err: new Fault('batch failed', { transient: true, cause: new Error('connection reset') }) },
    'x',
  );
  expect(lines).toMatchObject([
    { err: { type: 'Fault', message: expect.stringContaining('connection reset') as unknown } },
  ]);
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
