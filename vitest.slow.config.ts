/** The tests that take minutes each, which `npm test` leaves out: `npm run test:slow`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.slow.test.ts'],
    globalSetup: ['test/setup.ts'],
    setupFiles: ['test/traps.ts'],
    fileParallelism: false,
    testTimeout: 3_000_000,
    hookTimeout: 900_000,
  },
});
