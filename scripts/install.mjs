// Sees to an engine for the libtorch that is found: the prebuilt one of an installed package, else one built here.
//
//   node scripts/install.mjs               the "install" script of the package. It never fails: without an engine
//                                          everything that is not native still works
//   node scripts/install.mjs --required    replaces an engine that is there; ends with 1 where there is none then
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BUILT_ADDON, buildWithCmake, defaultBuildDirectory, publish } from './cmake-build.mjs';
import { findLibtorch } from './find-libtorch.mjs';
import { findPrebuilt, MUSL_PROBLEM, systemLibc } from './prebuilt.mjs';
import { inspectToolchain, PROJECT_ROOT, REMEDY } from './toolchain.mjs';

const MODULE = join(PROJECT_ROOT, 'dist', 'native', 'load-addon.js');
const LOAD = `const { loadAddon } = await import(process.argv[1]);
try {
  console.log(loadAddon().libtorch.root);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}`;

/** Loads an engine in a process of its own, which alone tells whether it works; `root` is that of its libtorch. */
function tryOut(addon) {
  const env = { ...process.env, PERMAFROST_ADDON: addon };
  const args = ['--input-type=module', '--eval', LOAD, pathToFileURL(MODULE).href];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  if (status === 0) return { root: stdout.trim(), problem: null };
  return { root: null, problem: stderr.trim() || `a process that loaded it ended with ${signal ?? status}` };
}

/** Whether the libtorch that was found has a prebuilt engine; says so, or why not. */
function hasPrebuilt(libtorch) {
  const { version } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'));
  const prebuilt = findPrebuilt(libtorch, { packageRoot: PROJECT_ROOT, version });
  const problem = prebuilt.problem ?? tryOut(prebuilt.addon).problem;
  const which = `libtorch ${libtorch.version} (${libtorch.root})`;
  console.error(
    problem === null
      ? `permafrost: the engine for ${which} is there, prebuilt: ${prebuilt.name}`
      : `permafrost: no prebuilt engine for ${which}, so it is built here.\n  ${prebuilt.name}: ${problem}`,
  );
  return problem === null;
}

/** @returns {Promise<boolean>} whether there is an engine now */
async function prepareEngine() {
  if (systemLibc()?.name === 'musl') {
    console.error(`permafrost: there is no engine. ${MUSL_PROBLEM}`);
    return false;
  }
  const { libtorch, missing } = inspectToolchain();
  if (libtorch.found !== null && hasPrebuilt(libtorch.found)) {
    // One that was built for another libtorch would be taken before it.
    rmSync(BUILT_ADDON, { force: true });
    return true;
  }
  const buildDir = defaultBuildDirectory();
  try {
    await buildWithCmake({ buildDir, definitions: {}, target: 'permafrost' });
    publish(buildDir);
  } catch (error) {
    console.error(error.message);
    if (missing.length === 0) console.error(`permafrost: the engine was not built. ${REMEDY}`);
    return false;
  }
  // Hundreds of megabytes that an installed package has no use for; a clone builds on them.
  if (PROJECT_ROOT.includes(`${sep}node_modules${sep}`)) rmSync(buildDir, { recursive: true });
  return true;
}

/** Whether the engine that was built here works with the libtorch that is found. */
function isCurrent() {
  if (!existsSync(BUILT_ADDON)) return false;
  // In a clone there is nothing yet to try it out with.
  if (!existsSync(MODULE)) return true;
  const { found } = findLibtorch();
  const { root } = tryOut(BUILT_ADDON);
  return root !== null && (found === null || found.root === root);
}

if (process.argv.includes('--required')) {
  process.exitCode = (await prepareEngine()) ? 0 : 1;
} else if (process.env.PERMAFROST_SKIP_BUILD !== '1' && !isCurrent()) {
  await prepareEngine();
}
