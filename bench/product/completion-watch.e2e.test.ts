import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Api } from './api.ts';
import { CompletionWatch } from './completion-watch.ts';

interface Look {
  readonly complete?: number;
  readonly lag?: number;
  readonly integrityLag?: number;
}

let server: Server | undefined;

afterEach(() => server?.close());

/** Looks at metrics that are as given, one look after the other, and then stay as the last one. */
async function watchOf(looks: readonly Look[]): Promise<{ watch: CompletionWatch; seenAtMs: number[] }> {
  let asked = 0;
  server = createServer((_request, response) => {
    const { complete = 0, lag = 0, integrityLag = 0 } = looks[Math.min(asked, looks.length - 1)] ?? {};
    asked += 1;
    response.end(`lastro_sagas_judged_total{verdict="complete"} ${complete}
lastro_consumer_lag_events{group="ledger"} ${lag}
lastro_consumer_lag_events{group="integrity"} ${integrityLag}
`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const seenAtMs: number[] = [];
  const api = new Api({ url: `http://127.0.0.1:${port}`, key: 'lk_a_b' });
  return { watch: new CompletionWatch(api, ({ atMs }) => seenAtMs.push(atMs)), seenAtMs };
}

describe('CompletionWatch', () => {
  it('is at rest since the first look of those at which nothing lagged any more', async () => {
    const { watch, seenAtMs } = await watchOf([{ lag: 1 }, {}, { integrityLag: 1 }, {}]);
    expect(await watch.untilRest()).toBe(seenAtMs[3]);
  });

  it('does not wait for the group that judges where nobody runs it', async () => {
    const { watch, seenAtMs } = await watchOf([{ lag: 1, integrityLag: 9 }, { integrityLag: 9 }]);
    expect(await watch.untilRest({ isJudged: false })).toBe(seenAtMs[1]);
  });

  it('knows since when as many are judged as were waited for', async () => {
    const { watch, seenAtMs } = await watchOf([{ complete: 5 }, { complete: 6 }, { complete: 8 }]);
    expect(await watch.untilJudged(await watch.read(), 3)).toBe(seenAtMs[2]);
  });

  it('knows the last verdict and the rest, each by itself', async () => {
    const { watch, seenAtMs } = await watchOf([{}, { complete: 2, lag: 1 }, { complete: 2 }]);
    const drained = await watch.drain(await watch.read(), 2);
    expect(drained).toMatchObject({ lastVerdictAtMs: seenAtMs[1], restAtMs: seenAtMs[2] });
  });

  it('knows the last verdict also where some are missing, and says that they are', async () => {
    const { watch, seenAtMs } = await watchOf([{}, { complete: 1 }]);
    const drained = await watch.drain(await watch.read(), 2, { stalledMs: 300 });
    expect(drained).toMatchObject({ lastVerdictAtMs: seenAtMs[1], integrityLagMs: null });
  });
});
