/** The wait before attempt n (from 1), in ms: exponential, with jitter over its upper half (U10). `random()` in [0, 1). */
export function backoffMs(
  attempt: number,
  random: () => number,
  bounds = { firstMs: 10, maxMs: 2000 },
): number {
  const ceiling = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(attempt - 1, 20));
  return Math.ceil(ceiling * (0.5 + random() / 2));
}
