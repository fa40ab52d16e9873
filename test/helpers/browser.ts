import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { describe, test } from 'vitest';
// @ts-expect-error: plain JavaScript, as it works before anything is compiled.
import { findBrowser } from '../../scripts/browser.mjs';

const executablePath = findBrowser() as string | null;

/** Starts the system's Chromium, which must be there. */
export function launchBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({ executablePath: executablePath!, args: isRoot ? ['--no-sandbox'] : [] });
}

/** A suite that needs a browser. Without one it fails in CI, and is skipped with a notice elsewhere. */
export function describeInBrowser(name: string, suite: () => void): void {
  if (executablePath !== null) {
    describe(name, suite);
    return;
  }
  const reason =
    'no Chromium on the PATH (apt-get install chromium-headless-shell, or set PERMAFROST_BROWSER)';
  if (process.env.CI) {
    describe(name, () => {
      test('needs a browser', () => {
        throw new Error(reason);
      });
    });
    return;
  }
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skip(name, suite);
}
