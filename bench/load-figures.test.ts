import { describe, expect, it } from 'vitest';
import { loaded } from './load/load-result-fixture.ts';
import { faultsOfLoad, together, unacceptedRows } from './load-figures.ts';

const STRICT = { strict: true };

describe('faultsOfLoad', () => {
  it('finds nothing where everything was accepted', () => {
    expect(faultsOfLoad('cards', loaded({ accepted: 10 }), STRICT)).toEqual([]);
  });

  it.each([
    ['nothing was accepted', { accepted: 0 }],
    ['an answer was unexpected', { unexpected: { '500': 1 } }],
    ['a request was not answered', { dropped: 1 }],
  ])('fails when %s', (_, change) => {
    expect(faultsOfLoad('cards', loaded({ accepted: 10, ...change }), { strict: false })).toHaveLength(1);
  });

  it.each([
    ['a refusal', { refused: 1 }],
    ['a request that was never sent', { unsent: 1 }],
  ])('takes %s for a fault only where capacity was not reached', (_, change) => {
    const load = loaded({ accepted: 10, ...change });
    expect(faultsOfLoad('cards', load, { strict: false })).toEqual([]);
    expect(faultsOfLoad('cards', load, STRICT)).toHaveLength(1);
  });
});

describe('unacceptedRows', () => {
  it('leaves out no request of two loads together', () => {
    const one = loaded({ refused: 1, unexpected: { '500': 2 }, dropped: 4, unsent: 8 });
    const other = loaded({ refused: 10, unexpected: { '500': 20, '404': 1 }, dropped: 40, unsent: 80 });
    expect(
      unacceptedRows([one, together(one, other)]).map((row) => row.match(/\d+$|\d+(?= +\d+$)/g)),
    ).toEqual([
      ['1', '11'],
      ['2', '23'],
      ['4', '44'],
      ['8', '88'],
    ]);
  });
});
