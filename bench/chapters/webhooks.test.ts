import { describe, expect, it } from 'vitest';
import { Histogram } from '../load/histogram.ts';
import { faultsOfWebhooks, type WebhookReport } from './webhooks.ts';

describe('faultsOfWebhooks', () => {
  const faultsOf = (tally: Partial<WebhookReport['tally']>) =>
    faultsOfWebhooks({ ...REPORT, tally: { ...REPORT.tally, ...tally } });

  it('finds none where each payment came to each endpoint that answers, some of them again', () => {
    expect(faultsOf({ repeated: 3 })).toEqual([]);
  });

  it.each([
    ['a delivery is missing, though others came again', { delivered: 89, repeated: 3 }],
    ['one came before what is before it', { outOfOrder: 1 }],
    ['nothing was sent to those that hang', { hung: 0 }],
  ])('fails when %s', (_, tally) => {
    expect(faultsOf(tally)).toHaveLength(1);
  });
});

const REPORT: WebhookReport = {
  durationMs: 1000,
  tenants: 1,
  endpoints: 10,
  hung: 1,
  deliveriesPerSecond: 90,
  payments: 10,
  tally: { delivered: 90, repeated: 0, delay: new Histogram().summary(), hung: 10, outOfOrder: 0 },
  elapsedMs: 1000,
  usage: {
    nodeCpuUs: 1,
    postgresCpuUs: 1,
    providersCpuUs: null,
    nodePeakRssBytes: 1,
    postgresPeakRssBytes: 1,
  },
};
