/** When a disturbed rate is what it should be again, by a count that was looked at now and then. */
export interface CountedAt {
  readonly atMs: number;
  readonly count: number;
}

export interface ExpectedRate {
  readonly ratePerSecond: number;
  /** What of the rate is enough: counts come in steps, the steps of batches. */
  readonly share: number;
  /** Over which a rate is taken; several steps long. */
  readonly windowMs: number;
}

/**
 * ms from `fromMs` until the moment from which every window up to `untilMs` has the rate; 0 if none ever missed it, null
 * if the last one does. `points` in the order of time, beginning a window before `fromMs`.
 */
export function backAtRate(
  points: readonly CountedAt[],
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
  expected: ExpectedRate,
): number | null {
  const windows = windowsOf(points, expected.windowMs).filter(
    ({ endMs }) => endMs > fromMs && endMs <= untilMs,
  );
  const enough = expected.ratePerSecond * expected.share;
  const lastMissed = windows.findLastIndex(({ ratePerSecond }) => ratePerSecond < enough);
  if (lastMissed < 0) return windows.length === 0 ? null : 0;
  const first = windows[lastMissed + 1];
  return first === undefined ? null : Math.max(0, first.startMs - fromMs);
}

/** A second, between the first and the last look of a span; null of less than two looks. */
export function rateOver(
  points: readonly CountedAt[],
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): number | null {
  const inside = points.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
  const [first] = inside;
  const last = inside.at(-1);
  if (first === undefined || last === undefined || last.atMs === first.atMs) return null;
  return ((last.count - first.count) / (last.atMs - first.atMs)) * 1000;
}

interface Window {
  readonly startMs: number;
  readonly endMs: number;
  readonly ratePerSecond: number;
}

/** One that ends at each point, from the latest point that is at least a window before it. */
function windowsOf(points: readonly CountedAt[], windowMs: number): Window[] {
  const windows: Window[] = [];
  let start = 0;
  for (const end of points) {
    while ((points[start + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= end.atMs - windowMs) start += 1;
    const from = points[start];
    if (from === undefined || from.atMs > end.atMs - windowMs) continue;
    const ratePerSecond = ((end.count - from.count) / (end.atMs - from.atMs)) * 1000;
    windows.push({ startMs: from.atMs, endMs: end.atMs, ratePerSecond });
  }
  return windows;
}
