/**
 * A body that may be null may be missing: `nullable(…)` in a route's schema. The generator of the document takes every body
 * for required, so clients made from it could not leave it out.
 */
export function markOptionalBodies(document: object): void {
  for (const operations of valuesOf('paths' in document ? document.paths : undefined))
    for (const operation of valuesOf(operations)) markOptionalBody(operation);
}

function markOptionalBody(operation: unknown): void {
  if (!isObject(operation)) return;
  const body = operation['requestBody'];
  if (isObject(body) && valuesOf(body['content']).every(isNullable)) delete body['required'];
}

function isNullable(media: unknown): boolean {
  const schema = isObject(media) ? media['schema'] : undefined;
  const alternatives = isObject(schema) && Array.isArray(schema['anyOf']) ? schema['anyOf'] : [];
  return alternatives.some((each) => isObject(each) && each['type'] === 'null');
}

function valuesOf(value: unknown): readonly unknown[] {
  return isObject(value) ? Object.values(value) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
