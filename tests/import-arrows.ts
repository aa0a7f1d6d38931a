/**
 * The arrows between the parts of the tree (STYLE.md, ARCHITECTURE.md), read off the imports. A type-only import
 * counts like any other: it ties two parts together just the same.
 *
 * I1: a part imports itself and what ARROWS lists for it, nothing else of the tree.
 * I2: one service sees another through its `contract.ts` alone.
 * I3: the kernel and the sagas use no package but those listed for them; their tests also the test libraries.
 * I4: nothing imports a test; only tests and tools import from `tests/`.
 * I5: across parts an import is spelled `#part/…`, so that moving a file within its part changes no other part.
 * I6: no file reaches itself.
 */
import { posix } from 'node:path';

export interface SourceFile {
  /** From the root, with slashes: `src/kernel/money.ts`. */
  readonly path: string;
  /** Import specifiers as written. */
  readonly imports: readonly string[];
}

type Part =
  | 'kernel'
  | 'platform'
  | 'sagas'
  | 'service'
  | 'contract'
  | 'proof'
  | 'main'
  | 'cli'
  | 'sandbox'
  | 'bench'
  | 'torture'
  | 'tools'
  | 'tests';

/** The files of `src` itself. */
const COMPOSITION = new Set([
  'absent-services.ts',
  'card-parts.ts',
  'hub-parts.ts',
  'cash-parts.ts',
  'consolidation-parts.ts',
  'dead-letter-parts.ts',
  'engine-parts.ts',
  'given-up-reads.ts',
  'straight-through-parts.ts',
  'integrity-parts.ts',
  'integrity-proof.ts',
  'leased-worker.ts',
  'main.ts',
  'open-database.ts',
  'outbound-policy.ts',
  'parts.ts',
  'payment-parts.ts',
  'place-order.ts',
  'problems.ts',
  'operator-desk.ts',
  'overload.ts',
  'request-repairs.ts',
  'provider-configuration.ts',
  'provider-parts.ts',
  'sandbox-key.ts',
  'sandbox-providers.ts',
  'secret-key.ts',
  'seed-sandbox.ts',
  'signing-key.ts',
  'stops.ts',
  'topology.ts',
  'webhook-parts.ts',
]);

const PROGRAM: readonly Part[] = ['kernel', 'platform', 'sagas', 'service', 'contract', 'proof'];

/** I1. A part always sees itself; I2 narrows what `service` and `contract` see of other services. */
const ARROWS: Readonly<Record<Part, readonly Part[]>> = {
  kernel: [],
  platform: ['kernel'],
  sagas: ['kernel'],
  service: ['kernel', 'platform', 'sagas', 'contract'],
  contract: ['kernel', 'platform', 'sagas', 'contract'],
  proof: ['kernel', 'platform', 'sagas', 'contract'],
  // The composition root and the files beside it that it is made of.
  main: [...PROGRAM, 'main', 'sandbox'],
  cli: ['kernel', 'platform', 'contract', 'proof', 'main', 'sandbox'],
  sandbox: ['kernel'],
  bench: ['kernel'],
  torture: ['kernel'],
  tools: [...PROGRAM, 'main', 'cli', 'tests'],
  tests: [...PROGRAM, 'main', 'cli', 'sandbox', 'bench', 'torture', 'tools'],
};

/** I3. The other parts choose their packages in DEPENDENCIES.md. */
const PACKAGES: Readonly<Partial<Record<Part, readonly string[]>>> = {
  kernel: ['canonicalize', 'uuidv7'],
  sagas: [],
};
const TEST_LIBRARIES = new Set(['vitest', 'fast-check']);

/** I5: the parts that package.json gives an import name to. */
const NAMED_PARTS = new Set<Part>(['kernel', 'platform', 'sagas', 'service', 'contract', 'proof']);

// The formatter puts every import and export at the start of a line; `import(…)`, also in a type, may stand
// anywhere but in a comment's line.
const STATEMENT = /^(?:import|export)\s[\w\s{},*$]*?\bfrom\s*['"]([^'"]+)['"]/gm;
const BARE_STATEMENT = /^import\s*['"]([^'"]+)['"]/gm;
const EXPRESSION = /^(?!\s*(?:\*|\/\/)).*?\bimport\(\s*['"`]([^'"`]+)['"`]/gm;

/** The specifiers that a module's text imports, exports from, or imports dynamically by a literal name. */
export function importsOf(source: string): string[] {
  return [STATEMENT, BARE_STATEMENT, EXPRESSION].flatMap((pattern) =>
    [...source.matchAll(pattern)].map((match) => match[1] ?? ''),
  );
}

/** A line for every import that breaks I1 to I5, and one for a cycle (I6) if there is any. */
export function violationsOf(files: readonly SourceFile[]): string[] {
  const misplaced = files.filter((file) => partOf(file.path) === undefined);
  return [
    ...misplaced.map((file) => `${file.path} belongs to no part of the tree`),
    ...files.flatMap((file) => file.imports.flatMap((specifier) => violationOf(file.path, specifier) ?? [])),
    ...cycleIn(files).map((cycle) => `a cycle: ${cycle}`),
  ];
}

function violationOf(path: string, specifier: string): string | undefined {
  const from = partOf(path);
  if (from === undefined) return undefined;
  const target = targetOf(path, specifier);
  const reason =
    target === undefined
      ? packageFault({ path, from, specifier })
      : targetFault({ path, from, specifier, target });
  return reason === undefined ? undefined : `${path} imports ${specifier}: ${reason}`;
}

interface Import {
  readonly path: string;
  readonly from: Part;
  readonly specifier: string;
}

/** I3 */
function packageFault({ path, from, specifier }: Import): string | undefined {
  const allowed = PACKAGES[from];
  if (allowed === undefined || specifier.startsWith('node:')) return undefined;
  const name = packageOf(specifier);
  if (allowed.includes(name) || (isTest(path) && TEST_LIBRARIES.has(name))) return undefined;
  return `${from} may not use the package ${name}`;
}

function targetFault({
  path,
  from,
  specifier,
  target,
}: Import & { readonly target: string }): string | undefined {
  const to = partOf(target);
  if (to === undefined) return `${target} belongs to no part of the tree`;
  if (isTest(target)) return 'nothing may import a test'; // I4
  if (to === 'tests')
    return isTest(path) || ARROWS[from].includes(to) || from === to ? undefined : 'tests only serve tests'; // I4
  if (isSamePart({ path, target })) return undefined;
  if (!ARROWS[from].includes(to)) return `${from} may not import ${to}`; // I1, I2
  return NAMED_PARTS.has(to) && !specifier.startsWith('#')
    ? `spell it #${target.slice('src/'.length)}`
    : undefined; // I5
}

/** A service with its contract is one part; two services are two (I2). */
function isSamePart({ path, target }: { readonly path: string; readonly target: string }): boolean {
  return rootOf(path) === rootOf(target);
}

/** The folder a part lives in: `src/services/ledger`, `src/kernel`, `bench`. */
function rootOf(path: string): string {
  const depth = path.startsWith('src/services/') ? 3 : path.startsWith('src/') ? 2 : 1;
  return path.split('/').slice(0, depth).join('/');
}

function partOf(path: string): Part | undefined {
  const [top = '', second = '', , fourth = ''] = path.split('/');
  if (top !== 'src') return partOutside(path, top);
  switch (second) {
    case 'kernel':
    case 'platform':
    case 'sagas':
    case 'proof':
    case 'cli':
      return second;
    case 'services':
      if (fourth === '') return undefined;
      return fourth === 'contract.ts' ? 'contract' : 'service';
    default:
      return /^[a-z-]+(?:\.test)?\.ts$/.test(second) && COMPOSITION.has(second.replace('.test', ''))
        ? 'main'
        : undefined;
  }
}

function partOutside(path: string, top: string): Part | undefined {
  if (!path.includes('/')) return 'tools';
  switch (top) {
    case 'sandbox':
    case 'bench':
    case 'torture':
    case 'tools':
    case 'tests':
      return top;
    default:
      return undefined;
  }
}

/** The file of the tree that a specifier means; undefined for packages and what Node brings. */
function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`;
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
}

function packageOf(specifier: string): string {
  const segments = specifier.split('/');
  return segments.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** The first cycle of each knot of files (I6), as `a → b → a`. */
function cycleIn(files: readonly SourceFile[]): string[] {
  const targets = new Map(
    files.map((file) => [file.path, file.imports.map((name) => targetOf(file.path, name))]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const trail: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' → '));
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    for (const target of targets.get(path) ?? []) if (target !== undefined) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of targets.keys()) visit(path);
  return cycles;
}
