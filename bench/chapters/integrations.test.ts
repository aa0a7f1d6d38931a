import { describe, expect, it } from 'vitest';
import { loaded } from '../load/load-result-fixture.ts';
import { faultsOfIntegrations, type IntegrationArm } from './integrations.ts';

describe('faultsOfIntegrations', () => {
  const faultsOf = (change: Partial<IntegrationArm>) =>
    faultsOfIntegrations(
      {
        deadPerSecond: 50,
        ratio: undefined,
        pairs: [{ first: 'without', without: WITHOUT, with: { ...WITH, ...change } }],
      },
      { strict: false },
    );

  it('finds none in any speed, some messages having come again', () => {
    expect(faultsOf({ deliveredPerSecond: 1, repeated: 2 })).toEqual([]);
  });

  it.each([
    ['a message was not delivered', { lost: 1 }],
    ['an answer was unexpected', { load: loaded({ accepted: 10, unexpected: { '500': 1 } }) }],
    ['nothing was accepted for the dead destination', { dead: loaded({}) }],
    ['nothing was sent to the dead destination', { hung: 0 }],
  ])('fails when %s', (_, change) => {
    expect(faultsOf(change)).toHaveLength(1);
  });
});

const WITHOUT: IntegrationArm = {
  kind: 'without',
  load: loaded({ accepted: 10 }),
  deliveredPerSecond: 100,
  lost: 0,
  repeated: 0,
  hung: 0,
  dead: undefined,
  usage: {
    nodeCpuUs: 1,
    postgresCpuUs: 1,
    providersCpuUs: null,
    nodePeakRssBytes: 1,
    postgresPeakRssBytes: 1,
  },
};
const WITH: IntegrationArm = { ...WITHOUT, kind: 'with', hung: 5, dead: loaded({ accepted: 5 }) };
