/** The documents that people write, as far as a machine can hold them to the tree. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { SCENARIOS } from '../bench/chapters.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SERVICES = readdirSync(`${ROOT}/src/services`);
const PAGES = [
  ...markdownIn(''),
  ...markdownIn('docs'),
  ...markdownIn('docs/adr'),
  ...markdownIn('docs/reference'),
  ...markdownIn('bench'),
  ...markdownIn('torture'),
  ...SERVICES.flatMap((service) => markdownIn(`src/services/${service}`)),
];

function markdownIn(folder: string): string[] {
  return readdirSync(`${ROOT}/${folder}`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join(folder, name));
}

function textOf(path: string): string {
  return readFileSync(`${ROOT}/${path}`, 'utf8');
}

function matchesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '');
}

function range(prefix: string, last: number): string[] {
  return Array.from({ length: last }, (_, index) => `${prefix}${index + 1}`);
}

test.each(PAGES)('%s links to nothing that is not there', (page) => {
  const targets = matchesIn(textOf(page), /\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g);
  const missing = targets.filter((target) => !existsSync(posix.join(ROOT, posix.dirname(page), target)));
  expect(missing).toEqual([]);
});

describe('docs/reference/requirements.md', () => {
  const page = textOf('docs/reference/requirements.md');
  const rows = page.split('\n').filter((line) => /^\| [A-Z]\d/.test(line));

  test('lists every requirement once', () => {
    const ids = matchesIn(page, /^\| ([A-Z]\d+) \|/gm);
    const wanted = ['P10', 'F8', 'K10', 'D10', 'H8', 'U22'].flatMap((last) =>
      range(last.charAt(0), Number(last.slice(1))),
    );
    expect(ids).toEqual(wanted);
  });

  test('names files that exist', () => {
    const paths = matchesIn(page, /`([a-z]+\/[^`\s]+)`/g);
    expect(paths.filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([]);
    expect(paths.length).toBeGreaterThan(0);
  });

  test('tells of each where it is proved, or that it is not covered', () => {
    const silent = rows.filter((row) => !/`[a-z]+\/[^`\s]+`|not covered by this version/.test(row));
    expect(silent).toEqual([]);
  });
});

describe('DEPENDENCIES.md', () => {
  test('has a line for every package, and for no other', () => {
    const manifest = JSON.parse(textOf('package.json')) as Record<string, Record<string, string> | undefined>;
    const packages = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
      Object.keys(manifest[kind] ?? {}),
    );
    const firstCells = matchesIn(textOf('DEPENDENCIES.md'), /^\| (`[^|]+) \|/gm);
    const listed = firstCells.flatMap((cell) => matchesIn(cell, /`([^`]+)`/g));
    expect(listed.toSorted()).toEqual(packages.toSorted());
  });
});

describe('ARCHITECTURE.md', () => {
  test('can be read at one sitting: 300 lines at most', () => {
    expect(textOf('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(300);
  });
});

test('every service says what it is for and what it must never do', () => {
  const silent = SERVICES.filter((service) => {
    const path = `src/services/${service}/README.md`;
    return !existsSync(`${ROOT}/${path}`) || !/^## What it must never do$/m.test(textOf(path));
  });
  expect(silent).toEqual([]);
});

const PARTS = [...SERVICES.map((service) => `src/services/${service}`), 'bench', 'torture'];

test.each(PARTS)('the README of %s names files that exist', (part) => {
  const named = matchesIn(textOf(`${part}/README.md`), /`([\w./-]+\.(?:ts|sql))`/g);
  const own = readdirSync(`${ROOT}/${part}`, { recursive: true, encoding: 'utf8' });
  const isThere = (file: string): boolean =>
    existsSync(`${ROOT}/${file}`) ||
    existsSync(`${ROOT}/src/${file}`) ||
    own.some((path) => path === file || path.endsWith(`/${file}`));
  expect(named.filter((file) => !isThere(file))).toEqual([]);
});

test('every decision is in the list of decisions', () => {
  const decisions = readdirSync(`${ROOT}/docs/adr`).filter((name) => /^\d{4}-/.test(name));
  expect(matchesIn(textOf('docs/adr/README.md'), /\]\((\d{4}-[^)]+)\)/g)).toEqual(decisions.toSorted());
});

describe('bench/README.md', () => {
  const page = textOf('bench/README.md');

  test('has a line for every scenario, in the order of a run', () => {
    expect(matchesIn(page, /^\| `([a-z-]+)` \|/gm)).toEqual(SCENARIOS.map(({ name }) => name));
  });

  test('says which of them a quick run leaves out', () => {
    const sentence = /^`--quick` leaves out.*$/m.exec(page)?.[0] ?? '';
    const left = SCENARIOS.filter(({ runs }) => runs === 'full').map(({ name }) => name);
    expect(matchesIn(sentence, /`([a-z][a-z-]*)`/g)).toEqual(left);
  });
});
