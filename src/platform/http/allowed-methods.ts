/** A route as it is registered: its method and its template, `/v1/payments/:id/events`. */
export interface RegisteredRoute {
  readonly method: string;
  readonly template: string;
}

/**
 * The methods that some route takes at a path, sorted; empty if none does. The router only says that it found
 * nothing, and 405 differs from 404 by this. Asked on refusals only, so it walks the list.
 */
export function allowedMethods(routes: readonly RegisteredRoute[], path: string): readonly string[] {
  const segments = path.split('/');
  const methods = routes
    .filter((route) => matches(route.template.split('/'), segments))
    .map((route) => route.method);
  return [...new Set(methods)].toSorted();
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  const rest = template.at(-1) === '*';
  if (rest ? segments.length < template.length : segments.length !== template.length) return false;
  return template.every(
    (step, index) =>
      step === '*' || step === segments[index] || (step.startsWith(':') && segments[index] !== ''),
  );
}
