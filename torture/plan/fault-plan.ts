/** Which faults befall whom, and when: all of it from the seed, before the first is injected. */
import {
  drawAction,
  FAULT_KINDS,
  type FaultAction,
  type FaultKind,
  KINDS,
  type Target,
} from './fault-kinds.ts';
import { Random } from './random.ts';

export interface PlannedFault {
  /** From 1, in the order of time. */
  readonly number: number;
  readonly target: Target;
  /** Not before this, from the beginning of the faults; it waits for the one before it on the same target. */
  readonly atMs: number;
  readonly lastsMs: number;
  readonly action: FaultAction;
}

/** Every kind is there once before any is drawn twice, as far as the number goes; then by weight. */
export function planFaults({
  seed,
  faults,
  seconds,
  kinds = KINDS,
}: {
  readonly seed: number;
  readonly faults: number;
  readonly seconds: number;
  readonly kinds?: readonly FaultKind[];
}): PlannedFault[] {
  const random = Random.of(seed, 'faults');
  const first = random.shuffle(kinds).slice(0, faults);
  const weighted = kinds.map((kind) => ({ kind, weight: FAULT_KINDS[kind].weight }));
  const rest = Array.from({ length: faults - first.length }, () => random.weigh(weighted).kind);
  const times = Array.from({ length: faults }, () => random.next() * seconds * 1000).sort((a, b) => a - b);
  return random.shuffle([...first, ...rest]).map((kind, index) => {
    const { targets, lastsMs } = FAULT_KINDS[kind];
    return {
      number: index + 1,
      target: random.pick(targets),
      atMs: Math.round(times[index] ?? 0),
      lastsMs: random.between(...lastsMs),
      action: drawAction(kind, random),
    };
  });
}

/** `process-pause process-a 4210 ms`; the same text for the same fault. */
export function describeFault({ target, lastsMs, action }: PlannedFault): string {
  const { kind, ...more } = action;
  const details = Object.keys(more).length === 0 ? '' : ` ${JSON.stringify(more)}`;
  return `${kind} ${target}${lastsMs > 0 ? ` ${lastsMs} ms` : ''}${details}`;
}
