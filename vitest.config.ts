import { defineConfig } from 'vitest/config';

// Node itself loads every module (`viteModuleRunner: false`), so that what Node's type stripping refuses
// (enums, parameter properties, missing extensions) fails here too. The suffix tells what a test may touch (STYLE.md).
const shared = { globalSetup: ['tests/global-setup.ts'], experimental: { viteModuleRunner: false } };

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'pure', include: ['**/*.test.ts'], exclude: ['**/node_modules/**', '**/*.db.test.ts', '**/*.e2e.test.ts'] } },
      { test: { ...shared, name: 'db', include: ['**/*.db.test.ts'], exclude: ['**/node_modules/**'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { ...shared, name: 'e2e', include: ['**/*.e2e.test.ts'], exclude: ['**/node_modules/**'], testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false } },
    ],
  },
});
