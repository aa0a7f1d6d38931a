/**
 * What can go wrong, whom it befalls and for how long. What is drawn here and nowhere else makes a run repeatable: a fault
 * is data, and who injects it draws nothing.
 */
import { BEHAVIOURS, type Misbehaviour } from './misbehaviours.ts';
import type { Random } from './random.ts';

/** What faults befall; those of one target follow one another, those of different ones overlap. */
export const TARGETS = [
  'process-a',
  'process-b',
  'keeper',
  'postgres',
  'wire-a',
  'wire-b',
  'alfa',
  'beta',
  'wire-alfa',
  'wire-beta',
  'wire-callbacks',
  'log',
  'disk',
] as const;
export type Target = (typeof TARGETS)[number];

/** Those to whom the callers of a run give work; tests/torture-groups.test.ts holds them to the product's. */
export const GROUPS = [
  'validation',
  'authorization',
  'ledger',
  'providers',
  'payments',
  'notification',
  'card-notification',
  'consolidation',
  'integrity',
] as const;

export type FaultAction =
  /** Killed with −9, started again after the fault's time. */
  | { readonly kind: 'process-kill' | 'keeper-kill' | 'provider-kill' }
  /** Asked to end (SIGTERM), which it does in order, and started again. */
  | { readonly kind: 'process-end' }
  /** Stopped (SIGSTOP) and woken (SIGCONT). */
  | { readonly kind: 'process-pause' | 'process-blink' | 'provider-pause' }
  /** The server's first process killed with −9; stopped at once (SIGQUIT); one of its sessions killed with −9. */
  | { readonly kind: 'postgres-kill' | 'postgres-immediate' | 'session-kill' }
  /** Every connection reset. */
  | { readonly kind: 'wire-cut' }
  /** Every piece of data this much later. */
  | { readonly kind: 'wire-slow'; readonly delayMs: number }
  /** Nothing passes; then everything does. */
  | { readonly kind: 'wire-stall' }
  /** What is sent arrives, what comes back is thrown away; then every connection is reset. */
  | { readonly kind: 'wire-lost-answers' }
  | { readonly kind: 'provider-misbehaves'; readonly misbehaviour: Misbehaviour }
  /** A consumer group is set back by so many events in every partition. */
  | { readonly kind: 'redelivery'; readonly group: string; readonly events: number }
  /** That share of the statements that write fails with SQLSTATE 53100. */
  | { readonly kind: 'disk-full'; readonly share: number };

export type FaultKind = FaultAction['kind'];

interface KindOfFault {
  readonly weight: number;
  readonly targets: readonly Target[];
  /** How long it lasts, ms, both inclusive. */
  readonly lastsMs: readonly [number, number];
}

const PROCESSES = ['process-a', 'process-b'] as const;
const PROVIDERS = ['alfa', 'beta'] as const;
const WIRES = ['wire-a', 'wire-b', 'wire-a', 'wire-b', 'wire-alfa', 'wire-beta', 'wire-callbacks'] as const;

/**
 * In every partition of every topic that the group reads: some thousand events at most. More, on a young log, is all of it,
 * and keeps the group busy for longer than the faults around it last.
 */
const REDELIVERED_MAX = 30;

/** A lease is free after three seconds: who sleeps longer wakes up believing that it still owns its partitions. */
const LONGER_THAN_A_LEASE_MS = [3300, 6000] as const;

export const FAULT_KINDS: Readonly<Record<FaultKind, KindOfFault>> = {
  'process-kill': { weight: 12, targets: PROCESSES, lastsMs: [0, 1500] },
  'process-end': { weight: 3, targets: PROCESSES, lastsMs: [0, 500] },
  'process-pause': { weight: 9, targets: PROCESSES, lastsMs: LONGER_THAN_A_LEASE_MS },
  'process-blink': { weight: 4, targets: PROCESSES, lastsMs: [100, 2500] },
  'keeper-kill': { weight: 2, targets: ['keeper'], lastsMs: [0, 1000] },
  'postgres-kill': { weight: 6, targets: ['postgres'], lastsMs: [0, 0] },
  'postgres-immediate': { weight: 5, targets: ['postgres'], lastsMs: [0, 0] },
  'session-kill': { weight: 4, targets: ['postgres'], lastsMs: [0, 0] },
  'wire-cut': { weight: 9, targets: WIRES, lastsMs: [0, 0] },
  'wire-slow': { weight: 6, targets: WIRES, lastsMs: [500, 4000] },
  'wire-stall': { weight: 7, targets: WIRES, lastsMs: [300, 5000] },
  'wire-lost-answers': { weight: 7, targets: WIRES, lastsMs: [50, 1500] },
  'provider-kill': { weight: 4, targets: PROVIDERS, lastsMs: [0, 2000] },
  'provider-pause': { weight: 3, targets: PROVIDERS, lastsMs: [500, 4000] },
  'provider-misbehaves': { weight: 14, targets: PROVIDERS, lastsMs: [500, 4000] },
  redelivery: { weight: 9, targets: ['log'], lastsMs: [0, 0] },
  'disk-full': { weight: 5, targets: ['disk'], lastsMs: [200, 2500] },
};

/** The kinds as a list: an object's keys are texts to the language. */
export const KINDS = Object.keys(FAULT_KINDS) as readonly FaultKind[];

export function drawAction(kind: FaultKind, random: Random): FaultAction {
  if (kind === 'wire-slow') return { kind, delayMs: random.between(20, 300) };
  if (kind === 'provider-misbehaves') return { kind, misbehaviour: drawMisbehaviour(random) };
  if (kind === 'redelivery')
    return { kind, group: random.pick(GROUPS), events: random.between(1, REDELIVERED_MAX) };
  if (kind === 'disk-full') return { kind, share: random.pick([0.05, 0.3, 1]) };
  return { kind };
}

function drawMisbehaviour(random: Random): Misbehaviour {
  const { name, operations } = random.pick(BEHAVIOURS);
  return {
    behaviour: name,
    operation: random.pick(operations),
    probability: random.pick([0.3, 0.7, 1]),
    delayMs: random.between(0, 2500),
    retryAfterS: random.between(1, 3),
  };
}
