// Packs the package and uses it from an empty folder: first where no libtorch can be found, then with the engine.
//
//   node scripts/pack-test.mjs            the engine is the addon that this clone built
//   node scripts/pack-test.mjs --build    the engine is built by a second installation, from the packed sources
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT_ROOT, REMEDY } from './toolchain.mjs';

const HIDDEN = { LIBTORCH: join(tmpdir(), 'no-libtorch-here') };

const PRELUDE = `
import assert from 'node:assert/strict';
import * as permafrost from 'permafrost';
const config = {
  modelType: 'bert', vocabSize: 20, hiddenSize: 8, numLayers: 2, numHeads: 2, intermediateSize: 16,
  maxPositions: 16, typeVocabSize: 2, hiddenAct: 'gelu', layerNormEps: 1e-12, hiddenDropout: 0.1,
  attentionDropout: 0.1, classifierDropout: 0.1, padTokenId: 0, initializerRange: 0.02, labels: ['B-PER', 'O'],
};
assert.deepEqual(permafrost.bottomUp(1).plan(2).layers, [true, false]);
const { default: { exports } } = await import('permafrost/package.json', { with: { type: 'json' } });
for (const path of Object.keys(exports).filter((path) => /^\\.\\/\\w+$/.test(path))) {
  const entry = await import(path.replace('.', 'permafrost'));
  assert.ok(Object.keys(entry).length > 0, path);
}
`;

const WITHOUT_ENGINE = `${PRELUDE}
await assert.rejects(async () => permafrost.TokenClassifier.create(config, { seed: 1 }), (error) => {
  assert.equal(error.code, 'ADDON_MISSING');
  assert.match(error.message, /libtorch/);
  return true;
});
`;

const WITH_ENGINE = `${PRELUDE}
const model = await permafrost.TokenClassifier.create(config, { seed: 1 });
const { data, shape } = await model.logits({ inputIds: [[1, 2, 3], [4, 5]] });
assert.deepEqual(shape, [5, 2]);
assert.ok(data.every(Number.isFinite));
await model.dispose();
`;

/** Runs a program and returns its output; a failure ends the test with that output. */
function output(command, args, cwd, extraEnv = {}) {
  const env = { ...process.env, ...extraEnv };
  for (const name of ['PERMAFROST_ADDON', 'PERMAFROST_BUILD_DIR', 'PERMAFROST_SKIP_BUILD']) delete env[name];
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const text = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${result.status ?? result.error}\n${text}`);
  }
  return text;
}

function packInto(folder) {
  // dist/ is made by the set-up, and the test runs on what is there.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const result = spawnSync('npm', args, { cwd: PROJECT_ROOT, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr);
  const [{ filename, files }] = JSON.parse(result.stdout);
  const names = new Set(files.map((file) => file.path));
  const expected = [
    'LICENSE',
    'CMakeLists.txt',
    'binding.gyp',
    'native/sources.cmake',
    'dist/index.d.ts',
    'checkpoints/demo/model.safetensors',
    'checkpoints/demo-kk/model.safetensors',
  ];
  const missing = expected.filter((name) => !names.has(name));
  if (missing.length > 0) throw new Error(`The package lacks ${missing.join(', ')}.`);
  return join(folder, filename);
}

function emptyProject(folder, name) {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  return project;
}

function install(project, tarball, env) {
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--foreground-scripts'];
  return output('npm', ['install', ...flags, tarball], project, env);
}

function execute(project, name, source, env) {
  writeFileSync(join(project, name), source);
  output(process.execPath, [name], project, env);
}

function testWithoutLibtorch(folder, tarball) {
  const project = emptyProject(folder, 'without-libtorch');
  const printed = install(project, tarball, HIDDEN);
  const remedies = printed.split(REMEDY).length - 1;
  if (remedies !== 1) throw new Error(`Expected one remedy, got ${remedies} in:\n${printed}`);
  execute(project, 'without-engine.js', WITHOUT_ENGINE, HIDDEN);
  console.log('installs and imports without libtorch, and says what to do');
  return project;
}

function testWithOwnAddon(project) {
  const installed = join(project, 'node_modules', 'permafrost');
  output(process.execPath, [join(installed, 'scripts', 'build-native.mjs'), '--configure-only'], project);
  const release = join(installed, 'build', 'Release');
  mkdirSync(release, { recursive: true });
  copyFileSync(join(PROJECT_ROOT, 'build', 'Release', 'permafrost.node'), join(release, 'permafrost.node'));
  execute(project, 'with-engine.js', WITH_ENGINE);
  console.log('configures its native build, and runs the engine of this clone');
}

function testWithBuild(folder, tarball) {
  const project = emptyProject(folder, 'with-libtorch');
  const printed = install(project, tarball);
  if (printed.includes(REMEDY)) throw new Error(`The engine was not built:\n${printed}`);
  execute(project, 'with-engine.js', WITH_ENGINE);
  console.log('installs with libtorch, builds its engine and runs it');
}

const folder = mkdtempSync(join(tmpdir(), 'permafrost-pack-'));
try {
  const tarball = packInto(folder);
  const project = testWithoutLibtorch(folder, tarball);
  if (process.argv.includes('--build')) testWithBuild(folder, tarball);
  else testWithOwnAddon(project);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
