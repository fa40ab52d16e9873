// Packs the package and uses it from an empty folder: first where no libtorch can be found, then with an engine.
//
//   node scripts/pack-test.mjs            the engine is a prebuilt one, from the objects that this clone built, and there
//                                         is no compiler
//   node scripts/pack-test.mjs --prebuilt FILE      the same with the tarball of a prebuilt engine
//   node scripts/pack-test.mjs --build    the engine is built by a second installation, from the packed sources
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findProgram, PROJECT_ROOT, REMEDY } from './toolchain.mjs';

const { values } = parseArgs({
  options: { build: { type: 'boolean', default: false }, prebuilt: { type: 'string' } },
});

// The command at its end is that of where it is printed.
const ASKED = REMEDY.slice(0, REMEDY.indexOf(', then run'));

const MAX_PACKAGES = 60;
const MAX_MEGABYTES = 60;

const HIDDEN = { LIBTORCH: join(tmpdir(), 'no-libtorch-here') };

const CONFIG = `
const config = {
  modelType: 'bert', vocabSize: 20, hiddenSize: 8, numLayers: 2, numHeads: 2, intermediateSize: 16,
  maxPositions: 16, typeVocabSize: 2, hiddenAct: 'gelu', layerNormEps: 1e-12, hiddenDropout: 0.1,
  attentionDropout: 0.1, classifierDropout: 0.1, padTokenId: 0, initializerRange: 0.02, labels: ['B-PER', 'O'],
};
`;

const PRELUDE = `
import assert from 'node:assert/strict';
import * as permafrost from 'permafrost';
${CONFIG}assert.deepEqual(permafrost.bottomUp(1).plan(2).layers, [true, false]);
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
const trainer = await model.trainer({ learningRate: 1e-3 });
const { loss } = await trainer.step({ inputIds: [[1, 2, 3], [4, 5]], labels: [[0, 1, 1], [1, 0]] });
assert.ok(Number.isFinite(loss) && loss > 0);
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

/** Every file that the build compiles. */
function nativeSources() {
  const text = readFileSync(join(PROJECT_ROOT, 'native', 'sources.cmake'), 'utf8');
  const sources = [...text.matchAll(/^ {2}(\S+\.cc)/gm)].map((match) => `native/${match[1]}`);
  return sources.filter((name) => !name.startsWith('native/test/'));
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
    ...nativeSources(),
    'dist/index.d.ts',
    'docs/guide.md',
    'examples/train.ts',
    'checkpoints/demo/model.safetensors',
    'checkpoints/demo-kk/model.safetensors',
  ];
  const missing = expected.filter((name) => !names.has(name));
  if (missing.length > 0) throw new Error(`The package lacks ${missing.join(', ')}.`);
  const needless = [...names].filter((name) =>
    /^(test|bench|native\/test|scripts\/(setup|pack-test))\b/.test(name),
  );
  if (needless.length > 0) throw new Error(`The package holds ${needless.join(', ')}.`);
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
  const remedies = printed.split(ASKED).length - 1;
  if (remedies !== 1) throw new Error(`Expected one remedy, got ${remedies} in:\n${printed}`);
  execute(project, 'without-engine.js', WITHOUT_ENGINE, HIDDEN);
  console.log('installs and imports without libtorch, and says what to do');
  testWeight(project);
  return project;
}

/** A folder with the programs that installing needs: npm's, and no compiler. */
function pathWithoutCompiler(folder) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['npm', 'sh']) symlinkSync(findProgram(name), join(bin, name));
  symlinkSync(process.execPath, join(bin, 'node'));
  return bin;
}

function makePrebuilt(folder) {
  const prebuild = join(PROJECT_ROOT, 'scripts', 'prebuild.mjs');
  output(process.execPath, [prebuild, '--allow-newer-symbols', '--out', folder], PROJECT_ROOT);
  const name = readdirSync(folder).find((file) => file.includes('-libtorch-') && file.endsWith('.tgz'));
  return join(folder, name);
}

function testWithPrebuilt(folder, project) {
  const tarball = values.prebuilt ? resolve(values.prebuilt) : makePrebuilt(folder);
  const env = { PATH: pathWithoutCompiler(folder) };
  const started = performance.now();
  install(project, tarball, env);
  const printed = output('npm', ['rebuild', 'permafrost', '--foreground-scripts'], project, env);
  if (!printed.includes('is there, prebuilt'))
    throw new Error(`The prebuilt engine was not taken:\n${printed}`);
  execute(project, 'with-engine.js', WITH_ENGINE, env);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`installs ${basename(tarball)} without a compiler and trains a step, in ${seconds} s`);
}

function testWithBuild(folder, tarball) {
  const project = emptyProject(folder, 'with-libtorch');
  const printed = install(project, tarball);
  if (printed.includes(ASKED)) throw new Error(`The engine was not built:\n${printed}`);
  const left = readdirSync(join(project, 'node_modules', 'permafrost', 'build'), { recursive: true });
  if (left.sort().join() !== `Release,${join('Release', 'permafrost.node')}`)
    throw new Error(`Left: ${left}`);
  execute(project, 'with-engine.js', WITH_ENGINE);
  console.log('installs with libtorch, builds its engine and runs it');
}

const CONSUMER = `
import { bottomUp, finetune, type TrainingEvent, TokenClassifier } from 'permafrost';
import * as data from 'permafrost/data';
import * as experiment from 'permafrost/experiment';
import * as metrics from 'permafrost/metrics';
import * as publish from 'permafrost/publish';
import * as tagging from 'permafrost/tagging';
import * as training from 'permafrost/training';
export const entries = [data, experiment, metrics, publish, tagging, training];
export async function run(): Promise<TrainingEvent[]> {
  const model = await TokenClassifier.load('bert', { labels: ['O'] });
  const events: TrainingEvent[] = [];
  for await (const event of finetune({ model, train: [], validation: [], freezing: bottomUp(1) })) events.push(event);
  return events;
}
// @ts-expect-error: types are checked at all.
bottomUp('one');
`;

/** Its types compile for whoever checks libraries, and what its package.json says of its files is so. */
function testTypes(project, tarball) {
  writeFileSync(join(project, 'consumer.ts'), CONSUMER);
  const tsc = join(PROJECT_ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--typeRoots', join(PROJECT_ROOT, 'node_modules', '@types'), '--types', 'node'];
  const strict = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    'false',
    '--target',
    'es2022',
  ];
  for (const modules of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    output(process.execPath, [tsc, '--noEmit', ...strict, ...types, ...modules, 'consumer.ts'], project);
  }
  output(developmentTool('publint'), ['--strict', tarball], project);
  output(developmentTool('attw'), [tarball, '--profile', 'esm-only'], project);
  console.log('its types compile, and its package.json is sound');
}

/** A program of the development dependencies. */
function developmentTool(name) {
  return join(PROJECT_ROOT, 'node_modules', '.bin', name);
}

const APP = `
import { TokenClassifier } from 'permafrost';
${CONFIG}
await TokenClassifier.create(config, { seed: 1 }).catch(({ code, message }) => console.log(code, message));
`;

/** A bundler leaves the package out; where it does not, the program says so. */
function testBundles(project) {
  writeFileSync(join(project, 'app.mjs'), APP);
  const said = (...flags) => {
    const esbuild = [
      'app.mjs',
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--outfile=bundle.mjs',
      ...flags,
    ];
    output(developmentTool('esbuild'), esbuild, project);
    return output(process.execPath, ['bundle.mjs'], project, HIDDEN);
  };
  const require =
    'import * as module from "node:module"; const require = module.createRequire(import.meta.url);';
  const [outside, inside] = [said('--external:permafrost'), said(`--banner:js=${require}`)];
  if (outside.includes('external')) throw new Error(`A bundle without permafrost says:\n${outside}`);
  if (!/^ADDON_MISSING .*external/.test(inside)) throw new Error(`A bundle with permafrost says:\n${inside}`);
  console.log('is left out by a bundler, and says what to do where it is not');
}

/** What an installation without an engine brings. */
function testWeight(project) {
  const modules = join(project, 'node_modules');
  const names = Object.keys(JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages);
  const sizes = names
    .filter((name) => existsSync(join(project, name)))
    .map((name) => ({ name, bytes: bytesBelow(join(project, name)) }));
  const megabytes = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  const heaviest = sizes.sort((a, b) => b.bytes - a.bytes).slice(0, 8);
  const list = heaviest.map(
    ({ name, bytes }) => `${name.replace('node_modules/', '')} ${(bytes / 1e6).toFixed(1)}`,
  );
  const text = `${sizes.length} packages, ${megabytes.toFixed(1)} MB (${list.join(', ')})`;
  if (sizes.length > MAX_PACKAGES || megabytes > MAX_MEGABYTES) {
    throw new Error(
      `Too heavy: ${text}; at most ${MAX_PACKAGES} packages and ${MAX_MEGABYTES} MB are allowed`,
    );
  }
  console.log(text);
}

/** Bytes of a package's own files. */
function bytesBelow(path) {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  const names = readdirSync(path).filter((name) => name !== 'node_modules');
  return names.reduce((sum, name) => sum + bytesBelow(join(path, name)), 0);
}

const folder = mkdtempSync(join(tmpdir(), 'permafrost-pack-'));
try {
  const tarball = packInto(folder);
  const project = testWithoutLibtorch(folder, tarball);
  testTypes(project, tarball);
  testBundles(project);
  if (values.build) testWithBuild(folder, tarball);
  else testWithPrebuilt(folder, project);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
