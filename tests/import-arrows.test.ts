import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { importsOf, type SourceFile, violationsOf } from './import-arrows.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['src', 'sandbox', 'bench', 'torture', 'tools', 'tests'];

/** Every module of ours, committed or not. */
function treeOf(root: string): SourceFile[] {
  return FOLDERS.filter((folder) => existsSync(`${root}/${folder}`)).flatMap((folder) =>
    readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((path) => /\.m?[jt]s$/.test(path) && !path.includes('/node_modules/'))
      .map((path) => ({ path, imports: importsOf(readFileSync(`${root}/${path}`, 'utf8')) })),
  );
}

describe('the tree', () => {
  const tree = treeOf(ROOT);

  test('keeps the arrows of STYLE.md', () => {
    expect(violationsOf(tree)).toEqual([]);
  });

  test('was read: its files and their imports are there', () => {
    const money = tree.find((file) => file.path === 'src/kernel/money.ts');
    expect(money?.imports).toEqual(['./currencies.ts', './fault.ts']);
    expect(tree.filter((file) => file.imports.length > 0).length).toBeGreaterThan(20);
  });
});

describe('a planted import', () => {
  test.each([
    ['kernel of platform', 'src/kernel/a.ts', '#platform/b.ts', 'kernel may not import platform'],
    [
      'kernel of a service',
      'src/kernel/a.ts',
      '#services/ledger/contract.ts',
      'kernel may not import contract',
    ],
    ['kernel of a package', 'src/kernel/a.ts', 'pg', 'kernel may not use the package pg'],
    [
      'kernel of a scoped package',
      'src/kernel/a.ts',
      '@fastify/helmet/x',
      'kernel may not use the package @fastify/helmet',
    ],
    ['kernel of a test library', 'src/kernel/a.ts', 'vitest', 'kernel may not use the package vitest'],
    [
      'platform of a service',
      'src/platform/a/b.ts',
      '#services/ledger/contract.ts',
      'platform may not import contract',
    ],
    ['platform of the sagas', 'src/platform/a.ts', '#sagas/payment.ts', 'platform may not import sagas'],
    [
      'platform of a service, in a test',
      'src/platform/a.test.ts',
      '#services/ledger/store.ts',
      'platform may not import service',
    ],
    ['sagas of platform', 'src/sagas/payment.ts', '#platform/log/event.ts', 'sagas may not import platform'],
    [
      'sagas of a contract',
      'src/sagas/payment.ts',
      '#services/ledger/contract.ts',
      'sagas may not import contract',
    ],
    ['sagas of a package', 'src/sagas/payment.ts', 'typebox', 'sagas may not use the package typebox'],
    [
      'a service of another',
      'src/services/payments/a.ts',
      '#services/ledger/store.ts',
      'service may not import service',
    ],
    [
      'a contract of another service',
      'src/services/payments/contract.ts',
      '#services/ledger/store.ts',
      'contract may not import service',
    ],
    [
      'a nested file called contract.ts',
      'src/services/payments/a.ts',
      '#services/ledger/events/contract.ts',
      'service may not import service',
    ],
    ['a service of proof', 'src/services/integrity/a.ts', '#proof/verify.ts', 'service may not import proof'],
    ['a service of main', 'src/services/ledger/a.ts', '../../main.ts', 'service may not import main'],
    [
      'proof of a service',
      'src/proof/verify.ts',
      '#services/ledger/store.ts',
      'proof may not import service',
    ],
    ['the command of a service', 'src/cli/a.ts', '#services/ledger/store.ts', 'cli may not import service'],
    ['main of the command', 'src/main.ts', './cli/lastro.ts', 'main may not import cli'],
    ['the bench of platform', 'bench/a.ts', '#platform/a.ts', 'bench may not import platform'],
    ['torture of main', 'torture/a.ts', '../src/main.ts', 'torture may not import main'],
    ['torture of the bench', 'torture/a.ts', '../bench/a.ts', 'torture may not import bench'],
    [
      'the sandbox of a contract',
      'sandbox/seed.ts',
      '#services/ledger/contract.ts',
      'sandbox may not import contract',
    ],
    ['a test by a program', 'src/platform/a.ts', './b.test.ts', 'nothing may import a test'],
    ['a test by a test', 'tests/a.test.ts', './b.test.ts', 'nothing may import a test'],
    ['tests/ by a program', 'src/platform/a.ts', '../../tests/a.ts', 'tests only serve tests'],
    ['another part by its path', 'src/platform/a/b.ts', '../../kernel/money.ts', 'spell it #kernel/money.ts'],
    [
      'another service by its path',
      'src/services/payments/a.ts',
      '../ledger/contract.ts',
      'spell it #services/ledger/contract.ts',
    ],
    ['what has no part', 'src/platform/a.ts', '#stray.ts', 'src/stray.ts belongs to no part of the tree'],
  ])('of the wrong kind is found: %s', (_case, path, specifier, reason) => {
    expect(violationsOf([{ path, imports: [specifier] }])).toEqual([
      `${path} imports ${specifier}: ${reason}`,
    ]);
  });

  test.each([
    ['src/kernel/a.ts', './money.ts'],
    ['src/kernel/a.ts', 'node:crypto'],
    ['src/kernel/a.ts', 'uuidv7'],
    ['src/kernel/a.test.ts', 'fast-check'],
    ['src/platform/log/a.ts', '#kernel/ids.ts'],
    ['src/platform/log/a.ts', '../postgres/session.ts'],
    ['src/platform/a.ts', '@fastify/helmet'],
    ['src/platform/a.db.test.ts', '../../tests/database.ts'],
    ['src/sagas/payment.ts', '#kernel/clock.ts'],
    ['src/services/payments/a.ts', './store.ts'],
    ['src/services/payments/events/a.ts', '../contract.ts'],
    ['src/services/payments/contract.ts', './store.ts'],
    ['src/services/payments/a.ts', '#services/ledger/contract.ts'],
    ['src/services/payments/contract.ts', '#services/ledger/contract.ts'],
    ['src/services/payments/a.ts', '#sagas/payment.ts'],
    ['src/proof/verify.ts', '#services/ledger/contract.ts'],
    ['src/main.ts', '#services/ledger/consumer.ts'],
    ['src/main.ts', '#proof/verify.ts'],
    ['src/cli/lastro.ts', '../main.ts'],
    ['src/cli/lastro.ts', '#proof/verify.ts'],
    ['bench/a.ts', '#kernel/clock.ts'],
    ['tests/a.e2e.test.ts', '../src/main.ts'],
    ['tests/a.test.ts', './import-arrows.ts'],
  ])('of the right kind is not: %s of %s', (path, specifier) => {
    expect(violationsOf([{ path, imports: [specifier] }])).toEqual([]);
  });

  test('that closes a cycle is found, once, with the way round', () => {
    const files = [
      { path: 'src/kernel/a.ts', imports: ['./b.ts', './d.ts'] },
      { path: 'src/kernel/b.ts', imports: ['node:fs', './c.ts'] },
      { path: 'src/kernel/c.ts', imports: ['./a.ts'] },
      { path: 'src/kernel/d.ts', imports: ['./c.ts'] },
    ];
    expect(violationsOf(files)).toEqual([
      'a cycle: src/kernel/a.ts → src/kernel/b.ts → src/kernel/c.ts → src/kernel/a.ts',
    ]);
    expect(violationsOf(files.slice(0, 2))).toEqual([]);
  });

  test('of itself is a cycle', () => {
    expect(violationsOf([{ path: 'src/kernel/a.ts', imports: ['./a.ts'] }])).toHaveLength(1);
  });

  test('in a file outside the parts is not overlooked: the file is reported', () => {
    expect(violationsOf([{ path: 'src/stray.ts', imports: [] }])).toEqual([
      'src/stray.ts belongs to no part of the tree',
    ]);
  });
});

describe('importsOf', () => {
  test.each([
    ["import { a } from './a.ts';", ['./a.ts']],
    ["import a, { type B, c as d } from './a.ts';", ['./a.ts']],
    ["import {\n  a,\n  type B,\n} from './a.ts';", ['./a.ts']],
    ["import type { A } from './a.ts';", ['./a.ts']],
    ["import * as a from 'node:fs';", ['node:fs']],
    ["import './side-effect.ts';", ['./side-effect.ts']],
    ["import data from './data.json' with { type: 'json' };", ['./data.json']],
    ["export { a } from './a.ts';", ['./a.ts']],
    ["export * from './a.ts';", ['./a.ts']],
    ["export type { A } from './a.ts';", ['./a.ts']],
    ["  const a = await import('./a.ts');", ['./a.ts']],
    ["type A = typeof import('./a.ts');", ['./a.ts']],
    ["import { a } from './a.ts';\nimport { b } from './b.ts';", ['./a.ts', './b.ts']],
    ["export const from = 'elsewhere';", []],
    ["export function a() {\n  return from('b');\n}", []],
    [" * import { a } from './a.ts';", []],
    ["// never import('./a.ts')", []],
  ])('%j', (source, specifiers) => {
    expect(importsOf(source)).toEqual(specifiers);
  });
});
