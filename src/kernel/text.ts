/**
 * What may be stored (DESIGN R6). PostgreSQL has no NUL in text and fails the whole batch over one; half a
 * surrogate pair has no UTF-8 and would be stored as another character than was hashed. Both are refused where
 * they come in.
 */

/**
 * Arrays and objects inside each other, `[[]]` being 2. Our own bodies nest three deep; what walks a body may
 * then recurse, and a megabyte of brackets is refused instead of overflowing a stack.
 */
export const MAX_JSON_DEPTH = 32;

/** No NUL and no lone surrogate. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Of characters as JSON Schema counts them, code points: one beyond the basic plane has a `length` of two. */
export function hasAtMost(characters: number, text: string): boolean {
  return (
    text.length <= characters || (text.length <= 2 * characters && Array.from(text).length <= characters)
  );
}

/** Names that objects have by themselves. */
const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor']);
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const ESCAPED_IN_NAMES = /["\\\u0000-\u001f\u007f]/;

/** Whether a member of what is stored may be called that: JSON would not have to escape it (json-body.ts, J5 and J7). */
export function isMemberName(name: string): boolean {
  return !FORBIDDEN_NAMES.has(name) && !ESCAPED_IN_NAMES.test(name);
}

/**
 * A JSON value of at most MAX_JSON_DEPTH levels whose every text, the names of members too, is storable. A
 * number must be finite: JSON.parse makes `1e999` Infinity, which JSON cannot write. Anything that did not come
 * from JSON (undefined, bigint, functions) is not storable.
 */
export function isStorableJson(value: unknown): boolean {
  return isStorableAt(value, MAX_JSON_DEPTH);
}

function isStorableAt(value: unknown, levelsLeft: number): boolean {
  if (typeof value === 'string') return isStorableText(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'object' && value !== null)
    return levelsLeft > 0 && areMembersStorable(value, levelsLeft - 1);
  return value === null || typeof value === 'boolean';
}

function areMembersStorable(container: object, levelsLeft: number): boolean {
  if (Array.isArray(container)) return container.every((element) => isStorableAt(element, levelsLeft));
  return Object.entries(container).every(
    ([name, member]) => isStorableText(name) && isStorableAt(member, levelsLeft),
  );
}
