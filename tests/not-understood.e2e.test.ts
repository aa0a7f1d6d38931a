/** A command line that is not understood ends with 2, says what is wrong with it, and opens nothing. */
import { expect, test } from 'vitest';
import { runLastro } from './lastro-process.ts';

/** Whoever asked it would wait, and end with another status. */
const NO_DATABASE = { DATABASE_URL: 'postgres://nobody:none@127.0.0.1:1/none' };

test.each([
  ['dead-letters list --limit 0', '--limit is a number from 1 to 500'],
  ['dead-letters list --state lost', '--state is one of open,'],
  ['dead-letters groups --state lost', '--state is one of open,'],
  ['dead-letters replay dlt_1 --data {', '--data is not JSON'],
  ['dead-letters discard-all --reason old', 'name what is to be discarded'],
  ['findings list --limit many', '--limit is a number from 1 to 500'],
  ['keys create --scopes payments:read,nope', 'There is no scope "nope"'],
  ['keys create --name ', 'A key’s name has 1 to 100 characters'],
  ['keys create --tenant A_b', '"A_b" cannot be the id of a tenant'],
  ['keys revoke nobody', 'nobody is not the id of a key'],
  ['rebuild nothing', 'no read model nothing'],
  ['sandbox-provider --name A/b', '--name has to be small letters'],
  ['sandbox-provider --port x', '--port has to be a whole number'],
  ['sandbox-provider --callback-url nope', '--callback-url has to be a URL'],
  ['sandbox-provider --latency-ms -1', '--latency-ms has to be a whole number'],
])('%s', async (line, why) => {
  const run = runLastro(line.split(' '), NO_DATABASE);
  await expect(run).rejects.toThrow(`ended with 2:\nlastro: ${why}`);
});

test('in production a tenant has to be named', async () => {
  const run = runLastro(['keys', 'list'], { ...NO_DATABASE, MODE: 'production' });
  await expect(run).rejects.toThrow('ended with 2:\nlastro: LASTRO_MODE=production has no default tenant');
});
