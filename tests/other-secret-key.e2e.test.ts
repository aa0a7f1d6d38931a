/** Processes of one installation that were not given the same key for secrets. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateSecretKey } from '#platform/vault/secret-key.ts';
import { LastroHome } from './lastro-home.ts';
import { http } from './lastro-process.ts';

let home: LastroHome;

beforeAll(async () => {
  home = await LastroHome.open();
});
afterAll(() => home.remove());

test('a process that could not read the secrets that are there does not start, and says which key it lacks', async () => {
  const [key, other] = [generateSecretKey(), generateSecretKey()];
  const first = await home.start({ SERVICES: 'notification', SECRET_KEY: key });
  const endpoint = { url: 'http://127.0.0.1:9/told', events: ['payment.*'] };
  expect((await http(`${first.url}/v1/webhook-endpoints`, { body: endpoint })).status).toBe(201);
  await expect(home.start({ SERVICES: 'payments', SECRET_KEY: other })).rejects.toThrow(
    /1 with the key [0-9a-f]{16} are sealed, which this process was not given: .*LASTRO_SECRET_KEY/,
  );
  const changed = await home.start({ SERVICES: 'payments', SECRET_KEY: `${other},${key}` });
  expect((await http(`${changed.url}/readyz`)).status).toBe(200);
});
