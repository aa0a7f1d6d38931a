/** Of the letters given: with more of them otherwise a guess misleads more than it helps. */
const MOST_OTHERWISE = 1 / 4;

/** The one name that begins like this, or the one most like it; undefined if none is. For "did you mean". */
export function closestName(given: string, names: readonly string[]): string | undefined {
  const [longer, ...others] = names.filter((name) => name.startsWith(given));
  if (longer !== undefined && others.length === 0) return longer;
  const furthest = given.length * MOST_OTHERWISE;
  let closest: { name: string; distance: number } | undefined;
  for (const name of names) {
    const distance = editDistance(given, name);
    if (distance <= furthest && (closest === undefined || distance < closest.distance))
      closest = { name, distance };
  }
  return closest?.name;
}

/** Levenshtein's distance, a row at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substituted = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
