import { describe, expect, it } from 'vitest';
import { loaded } from '../load/load-result-fixture.ts';
import { type CardReport, faultsOfCards } from './cards.ts';

describe('faultsOfCards', () => {
  const faultsOf = (change: Partial<CardReport>) =>
    faultsOfCards([{ ...REPORT, ...change }], { strict: false });

  it('finds none however many were too late', () => {
    expect(faultsOf({})).toEqual([]);
  });

  it.each([
    [
      'a code is none of those that it may be',
      { load: loaded({ accepted: 1, finalStates: { unknown: 1 } }) },
    ],
    ['a decision was not answered', { load: loaded({ accepted: 1, dropped: 1 }) }],
    ['a payment beside was not answered', { beside: loaded({ accepted: 1, dropped: 1 }) }],
    ['no payment was made beside', { beside: loaded({}) }],
    [
      'a payment beside did not complete',
      { beside: loaded({ accepted: 2, sampleIds: ['pay_1', 'pay_2'] }), besideCompleted: 1 },
    ],
  ])('fails when %s', (_, change) => {
    expect(faultsOf(change)).toHaveLength(1);
  });
});

const REPORT: CardReport = {
  name: 'cards-beside',
  load: loaded({ accepted: 10, finalStates: { '00': 7, '07': 3 } }),
  decidedPerSecond: 1,
  lagMs: 0,
  usage: {
    nodeCpuUs: 1,
    postgresCpuUs: 1,
    providersCpuUs: null,
    nodePeakRssBytes: 1,
    postgresPeakRssBytes: 1,
  },
  beside: undefined,
  besidePerSecond: undefined,
  besideCompleted: undefined,
};
