/** The whole product in this process: what it is stopped in the order of. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { parseSettings } from '#platform/config/settings.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { Returns } from '#platform/dead-letters/returns.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { Hub } from '#services/hub/hub.ts';
import { Webhooks } from '#services/notification/webhooks/webhooks.ts';
import { startLastro } from '../src/main.ts';
import { SERVICES } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';

let database: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  database = await createProductDatabase();
  dataDir = mkdtempSync(join(tmpdir(), 'lastro-stops-'));
});

afterAll(async () => {
  vi.restoreAllMocks();
  await database.drop();
  rmSync(dataDir, { recursive: true });
});

test('what delivers again is stopped before the services that it delivers to', async () => {
  const settings = parseSettings(
    {
      LASTRO_DATABASE_URL: database.url,
      LASTRO_PORT: '0',
      LASTRO_SERVICES: 'access,ledger,hub,notification',
      LASTRO_LOG_LEVEL: 'silent',
    },
    SERVICES,
  );
  if (!settings.ok) throw new Error(JSON.stringify(settings.faults));
  const { value } = settings;
  const lastro = await startLastro({
    settings: value,
    dataDir,
    version: 'test',
    logger: createLogger({ level: value.logLevel }),
  });
  const [redeliverer, returns, ...services] = [Redeliverer, Returns, Hub, Webhooks, ConsumerWorker].map(
    ({ prototype }) => vi.spyOn(prototype as { stop(): Promise<void> }, 'stop'),
  );
  await lastro.close();
  const stoppedAt = services.flatMap(({ mock }) => mock.invocationCallOrder);
  expect(stoppedAt.length).toBeGreaterThan(services.length);
  for (const spy of [redeliverer, returns])
    expect(spy?.mock.invocationCallOrder[0]).toBeLessThan(Math.min(...stoppedAt));
});
