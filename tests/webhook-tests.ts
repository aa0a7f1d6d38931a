/** What the tests of webhooks have in common: one world for a file, and a process of its own for each test. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type WebhookProcess, WebhookWorld } from './webhook-world.ts';

export function aProcessForEach(begin: (world: WebhookWorld, process: WebhookProcess) => void): void {
  let world: WebhookWorld;

  beforeAll(async () => {
    world = await WebhookWorld.open();
  });

  beforeEach(async () => {
    world.resetClock();
    world.receiver.conduct = () => ({ status: 204 });
    begin(world, await world.process());
  });

  afterEach(async () => {
    await world.stopProcesses();
    // What waits for a receiver of one test is no other's.
    await world.owner.query(`update notification.endpoints set status = 'deleted'`);
  });

  afterAll(() => world.close());
}
