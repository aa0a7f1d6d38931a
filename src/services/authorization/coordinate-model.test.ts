/** The coordinator in a world where anything may happen at any time (tests/saga-world.ts has its laws). A failure prints its seed. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SagaWorld } from '../../../tests/saga-world.ts';

const RUNS = 600;
/** Two seconds on an idle machine. */
const TIMEOUT_MS = 60_000;
const FINAL = ['completed', 'declined', 'failed', 'cancelled', 'compensated'];
/** Less of them would mean that the world has become a smaller one. */
const STATES = [
  'authorized',
  'charged',
  'cancelling',
  'reconciling',
  'resolving',
  'revoking',
  'compensating',
  'parked',
  ...FINAL,
];

const worlds = fc.record({
  method: fc.constantFrom('balance' as const, 'gateway' as const, 'gateway' as const, 'gateway' as const),
  fundedMinor: fc.constantFrom(99n, 100n, 100n, 1000n, 1000n, 1000n),
  choices: fc.array(fc.nat(1_000_000), { minLength: 10, maxLength: 80 }),
});

test(
  'W1–W6: whatever happens when, money is kept, and holds and endings are right',
  () => {
    const reached = new Set<string | undefined>();
    fc.assert(
      fc.property(worlds, ({ method, fundedMinor, choices }) => {
        const world = new SagaWorld(method, fundedMinor);
        for (const choice of choices) {
          world.step(choice);
          reached.add(world.state);
        }
        world.settle();
        expect(FINAL).toContain(world.state);
      }),
      { numRuns: RUNS },
    );
    expect([...reached]).toEqual(expect.arrayContaining(STATES));
  },
  TIMEOUT_MS,
);
