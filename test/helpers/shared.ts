import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const SHARED = process.env.PERMAFROST_SHARED
  ? resolve(process.env.PERMAFROST_SHARED)
  : resolve(REPOSITORY, '..', 'shared');

/** Whether the folder with real text, the real vocabulary and the large fixtures is there. */
export const sharedAvailable = existsSync(join(SHARED, 'fixtures')) && existsSync(join(SHARED, 'data'));

/** Path of a file in the shared folder: `PERMAFROST_SHARED`, by default `../shared` beside the repository. */
export function sharedPath(...parts: string[]): string {
  return join(SHARED, ...parts);
}

/** Path of a fixture that the repository itself holds, under test/fixtures. */
export function fixturePath(...parts: string[]): string {
  return join(REPOSITORY, 'test', 'fixtures', ...parts);
}

/** A suite over the shared folder. Without the folder it fails in CI, and is skipped with a notice elsewhere. */
export function describeShared(name: string, suite: () => void): void {
  if (sharedAvailable) {
    describe(name, suite);
    return;
  }
  const reason = `no fixtures and data at ${SHARED} (set PERMAFROST_SHARED)`;
  if (process.env.CI) {
    describe(name, () => {
      test('needs the shared folder', () => {
        throw new Error(reason);
      });
    });
    return;
  }
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skip(name, () => {
    // The suite itself may read the folder while it is being collected.
    test('needs the shared folder', () => {});
  });
}
