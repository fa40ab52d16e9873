// The "install" script of the package. It never fails: without libtorch everything that is not native still works.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inspectToolchain, PROJECT_ROOT, REMEDY } from './toolchain.mjs';

function addonIsThere() {
  try {
    createRequire(import.meta.url)('node-gyp-build').path(PROJECT_ROOT);
    return true;
  } catch {
    return false;
  }
}

function install() {
  if (process.env.PERMAFROST_SKIP_BUILD === '1' || addonIsThere()) return;
  const { missing } = inspectToolchain();
  if (missing.length > 0) {
    console.log(
      `permafrost: the engine was not built, because ${missing.join(', ')} was not found. ${REMEDY}`,
    );
    return;
  }
  const result = spawnSync(process.execPath, [join(PROJECT_ROOT, 'scripts', 'build-native.mjs')], {
    cwd: PROJECT_ROOT,
    stdio: 'inherit',
  });
  if (result.status !== 0) {
    console.log(`permafrost: building the engine failed (its output is above). ${REMEDY}`);
  }
}

install();
