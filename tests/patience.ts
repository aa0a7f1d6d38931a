/** What a test waits for by `vi.waitFor` comes at once on an idle machine, and later on a busy one; `expect.poll` has it by `vitest.config.ts`. */
export const PATIENCE = { timeout: 45_000, interval: 10 };
