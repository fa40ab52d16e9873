// The browser that pages are tested in: Chromium by whatever name it has, from the system's packages.
import { findProgram, run } from './toolchain.mjs';

const PROGRAMS = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
];
/** Debian's, without what draws windows. */
const PACKAGE = 'chromium-headless-shell';

/** Path of a Chromium: `PERMAFROST_BROWSER`, else the first one on the PATH; null where there is none. */
export function findBrowser(env = process.env) {
  if (env.PERMAFROST_BROWSER) return env.PERMAFROST_BROWSER;
  for (const name of PROGRAMS) {
    const path = findProgram(name, env);
    if (path !== null) return path;
  }
  return null;
}

/** Installs one where there is none and the system lets us; a machine without it skips these tests. */
export function installBrowser() {
  if (findBrowser() !== null || process.getuid?.() !== 0 || findProgram('apt-get') === null) return;
  console.log(`tests: apt-get install ${PACKAGE}`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  try {
    run('apt-get', ['update', '-q'], options);
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', PACKAGE], options);
  } catch (error) {
    console.error(`tests: no browser: ${error.message}`);
  }
}
