import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Each file's process imports most of the product: with what V8 made of it kept, where the program keeps it too, that takes
// half the time. Coverage is exact only without.
if (!process.argv.some((argument) => argument.startsWith('--coverage')))
  process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

// Node itself loads every module (`viteModuleRunner: false`), so that what Node's type stripping refuses
// (enums, parameter properties, missing extensions) fails here too. The suffix tells what a test may touch (STYLE.md).
const shared = {
  globalSetup: ['tests/global-setup.ts'],
  setupFiles: ['tests/property-setup.ts'],
  experimental: { viteModuleRunner: false },
};
// PostgreSQL is started only if a test that may touch it is about to run.
const withDatabase = {
  ...shared,
  globalSetup: [...shared.globalSetup, 'tests/database-setup.ts'],
  // What a test waits for comes at once on an idle machine, and later on a busy one.
  expect: { poll: { timeout: 45_000, interval: 20 } },
};
/** Each file has a database of its own and waits for it most of the time: a core, which Vitest would leave free, is enough. */
const FILES_AT_ONCE = availableParallelism() + 1;
/** They wait for periods of the product for half of their time. A server that is given may not have connections for two. */
const PROCESS_FILES_AT_ONCE = process.env['LASTRO_TEST_DATABASE_URL'] ? 1 : 2;
/** One after the other: the port of what they kill must stay free until it is started again. */
const FREED_PORTS = [
  'src/platform/postgres/embedded/embedded-postgres.e2e.test.ts',
  'tests/late-server.e2e.test.ts',
  'tests/lost-commits.e2e.test.ts',
  'tests/lost-server.e2e.test.ts',
  'tests/sandbox-providers.e2e.test.ts',
];
const exclude = ['**/node_modules/**'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'pure',
          include: ['**/*.test.ts'],
          exclude: [...exclude, '**/*.db.test.ts', '**/*.e2e.test.ts'],
          // For machines that have other work: none of these is slow, and none is a measurement.
          testTimeout: 30_000,
          // They change nothing but what they made themselves: each process imports the product once, not for every file.
          isolate: false,
          maxWorkers: availableParallelism(),
        },
      },
      {
        test: {
          ...withDatabase,
          name: 'db',
          include: ['**/*.db.test.ts'],
          exclude,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: FILES_AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...withDatabase,
          name: 'e2e',
          include: ['**/*.e2e.test.ts'],
          exclude: [...exclude, ...FREED_PORTS],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: PROCESS_FILES_AT_ONCE,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...withDatabase,
          name: 'e2e-ports',
          include: FREED_PORTS,
          exclude,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
