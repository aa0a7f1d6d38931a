/**
 * `POST /v1/integrations/{connector}` and `GET /v1/integrations/{id}` are one path to OpenAPI, which compares templates without the
 * names of their parameters and forbids two that are alike (3.1.0 §4.8.8.1). So the operations of a later one stand with
 * those of the first, under its names.
 */
type PathItem = Record<string, unknown>;

export function joinPaths(document: { paths?: object | undefined }): void {
  const paths = (document.paths ?? {}) as Record<string, PathItem>;
  const firsts = new Map<string, string>();
  for (const [path, item] of Object.entries(paths)) {
    const shape = path.replaceAll(/\{[^}]+\}/g, '{}');
    const first = firsts.get(shape);
    if (first === undefined) {
      firsts.set(shape, path);
      continue;
    }
    renameParameters(item, new Map(namesIn(path).map((name, index) => [name, namesIn(first)[index]!])));
    paths[first] = { ...paths[first], ...item };
    delete paths[path];
  }
}

function namesIn(path: string): string[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name!);
}

function renameParameters(item: PathItem, names: ReadonlyMap<string, string>): void {
  for (const operation of Object.values(item) as { parameters?: { in: string; name: string }[] }[])
    for (const parameter of operation.parameters ?? [])
      if (parameter.in === 'path') parameter.name = names.get(parameter.name) ?? parameter.name;
}
