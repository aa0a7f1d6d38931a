/** Another partition is first each time, so that one with a backlog does not starve the others. */
export function rotated(partitions: readonly number[], turn: number): readonly number[] {
  const first = turn % partitions.length;
  return [...partitions.slice(first), ...partitions.slice(0, first)];
}
