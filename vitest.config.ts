import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
// @ts-expect-error: plain JavaScript, as it works before anything is compiled.
import { guardSourceEntries } from './scripts/guard-entries.mjs';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Examples name the package as their users do.
  resolve: {
    alias: [
      { find: /^permafrost$/, replacement: source('./src/index.ts') },
      { find: /^permafrost\/(.*)$/, replacement: `${source('./src/entries')}/$1.ts` },
    ],
  },
  // What users load stands behind the edge, and so does what tests load.
  plugins: [guardSourceEntries()],
  test: {
    include: ['test/**/*.test.ts'],
    // One process a file: an addon stays loaded until its process ends.
    pool: 'forks',
    // Every file may drive an engine that uses all cores.
    maxWorkers: 2,
    testTimeout: 120_000,
    // Keeps what commands store for later out of the user's directories.
    // And holds every device that is not named to the CPU, whose bits the tests compare.
    env: { PERMAFROST_CACHE: join(tmpdir(), `permafrost-test-${process.pid}`), CUDA_VISIBLE_DEVICES: '' },
    hookTimeout: 120_000,
  },
});
