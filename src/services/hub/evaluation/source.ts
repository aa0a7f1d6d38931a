/** Made once of each part of a definition: definitions are kept, and never change. */
const sources = new WeakMap<object, string>();

/** A part of a definition as the source of a job: JSON of what `select` takes of it, which is the same each time. */
export function sourceOf<Part extends object>(part: Part, select: (part: Part) => unknown): string {
  const known = sources.get(part);
  if (known !== undefined) return known;
  const source = JSON.stringify(select(part));
  sources.set(part, source);
  return source;
}
