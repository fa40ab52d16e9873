// Checks and benchmarks of the engine on a card, and one short table at the end.
//
//   node scripts/gpu-check.mjs [--device cuda] [--lengths FILE] [--skip-checks] [--skip-benchmarks] [--skip-peers]
//                              [--seconds 3] [--budget 280] [--json FILE] [--dry-run]
//
// Takes the addon that PERMAFROST_ADDON names, or the one built here, and dist/. `--dry-run` runs all of it on the
// CPU with a small model: the figures mean nothing then. scripts/gpu-check.sh builds first, where there is no npm.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addon } from '../dist/native/addon.js';
import { benchmarks } from './gpu-check/benchmarks.mjs';
import { CHECKS } from './gpu-check/checks.mjs';
import { randomSentences, vocabularyOf } from './gpu-check/workload.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const LONGEST = 128;

const { values: flags } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    lengths: { type: 'string' },
    'skip-checks': { type: 'boolean', default: false },
    'skip-benchmarks': { type: 'boolean', default: false },
    'skip-peers': { type: 'boolean', default: false },
    seconds: { type: 'string', default: '3' },
    budget: { type: 'string', default: '280' },
    json: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  },
});

const started = performance.now();
const elapsed = () => (performance.now() - started) / 1000;
const isDry = flags['dry-run'];
const device = isDry ? 'cpu' : flags.device;
const isCard = device.startsWith('cuda');

/** Tokens of CoNLL-2003's training sentences where they are at hand, else lengths of the same mean, 20. */
function sentenceLengths() {
  const shared =
    process.env.PERMAFROST_SHARED ?? [join(ROOT, '../shared'), join(ROOT, 'shared')].find(existsSync);
  const file = flags.lengths ?? (shared && join(shared, 'data/lengths/conll2003-train.json'));
  if (file && existsSync(file)) {
    const lengths = JSON.parse(readFileSync(file, 'utf8')).map((length) => Math.min(length, LONGEST));
    return { lengths, file, from: file };
  }
  if (flags.lengths) throw new Error(`--lengths ${file} does not exist`);
  const lengths = Array.from(
    { length: 4096 },
    (_, i) => 4 + Math.round(-16 * Math.log(1 - ((i * 0.618034) % 1))),
  );
  return {
    lengths: lengths.map((length) => Math.min(length, LONGEST)),
    file: null,
    from: 'drawn, mean about 20',
  };
}

function describe() {
  const { libtorch, nvidiaDriver } = addon();
  const driver = nvidiaDriver?.();
  const card = driver?.cards?.[Number(device.split(':')[1] ?? 0)];
  console.log(`libtorch ${libtorch.loadedVersion} from ${libtorch.loadedPath}`);
  if (card)
    console.log(`${card.name}, compute capability ${card.computeCapability}, driver ${driver.version}`);
  return {
    libtorch: libtorch.loadedVersion,
    card: card?.name ?? null,
    capability: Number(card?.computeCapability ?? 0),
  };
}

async function runChecks(context) {
  const results = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      const finding = await check(context);
      results.push({ name, ok: true, finding });
    } catch (error) {
      results.push({ name, ok: false, finding: `${error.code ? `${error.code}: ` : ''}${error.message}` });
    }
    const { ok, finding } = results.at(-1);
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${finding}) [${elapsed().toFixed(0)} s]`);
  }
  return results;
}

async function runBenchmarks(context) {
  const rows = [];
  for (const [name, benchmark] of benchmarks(context)) {
    if (elapsed() > context.budget) {
      rows.push({ name, 'a step': 'not run: out of time' });
      continue;
    }
    try {
      rows.push(await benchmark(context, name));
    } catch (error) {
      rows.push({ name, 'a step': `FAILED ${error.code ?? ''} ${error.message}`, failed: true });
    }
    console.log(`${name}: ${rows.at(-1)['a step']} [${elapsed().toFixed(0)} s]`);
  }
  return rows;
}

/** Hugging Face's Trainer on the same lengths, where Transformers is installed. */
function runPeers({ file, budget }) {
  if (!file) return [{ name: 'Hugging Face Trainer', 'a step': 'not run: no file of lengths' }];
  const rows = [];
  for (const recipe of ['defaults', 'best']) {
    const name = `Hugging Face Trainer, ${recipe}`;
    const left = budget - elapsed();
    if (left < 20) {
      rows.push({ name, 'a step': 'not run: out of time' });
      continue;
    }
    const program = join(ROOT, 'bench/peers/hf_trainer_gpu.py');
    const small = isDry ? ['--device', 'cpu', '--layers', '1', '--hidden', '64', '--batch-size', '4'] : [];
    const counts = isDry ? ['--steps', '2', '--warmup', '1'] : ['--steps', '100', '--warmup', '20'];
    const args = [program, '--lengths', file, '--recipe', recipe, ...counts, ...small];
    const run = spawnSync('python3', args, { encoding: 'utf8', timeout: left * 1000 });
    if (run.status !== 0) {
      const reason = run.error?.message ?? run.stderr.trim().split('\n').at(-1);
      rows.push({ name, 'a step': `not run: ${reason}` });
      continue;
    }
    const result = JSON.parse(run.stdout.trim().split('\n').at(-1));
    rows.push({
      name,
      'a step': `${(result.secondsPerStep * 1000).toFixed(3)} ms`,
      'tokens/s': `${(result.tokensPerSecond / 1e6).toFixed(3)} M`,
      peak: `${(result.peakBytes / 2 ** 30).toFixed(2)} GiB`,
      secondsPerStep: result.secondsPerStep,
    });
  }
  return rows;
}

function printTable(rows, ours) {
  const columns = ['name', 'a step', 'tokens/s', 'peak', 'graphs', 'times ours'];
  const texts = rows.map((row) => ({
    ...row,
    'times ours': ours && row.secondsPerStep ? (row.secondsPerStep / ours).toFixed(2) : '',
  }));
  const widths = columns.map((column) =>
    Math.max(column.length, ...texts.map((row) => String(row[column] ?? '').length)),
  );
  const line = (row) =>
    columns
      .map((column, i) => String(row[column] ?? '').padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  console.log(`\n${line(Object.fromEntries(columns.map((column) => [column, column])))}`);
  for (const row of texts) console.log(line(row));
}

const { lengths, file, from } = sentenceLengths();
const facts = describe();
console.log(`device ${device}; lengths: ${from}`);
const shape = isDry ? 'small' : 'base';
const used = lengths.slice(0, isDry ? 64 : 4096);
const context = {
  device,
  isCard,
  capability: facts.capability,
  shape,
  lengths: isDry ? used : lengths,
  sentences: randomSentences(used, vocabularyOf(shape)),
  seconds: isDry ? 0.05 : Number(flags.seconds),
  budget: Number(flags.budget),
  file,
  ...(isDry && { warmUp: 1, largeBatch: 48, volumeSentences: 64, validationSentences: 32, epochs: 2 }),
};

const checks = flags['skip-checks'] ? [] : await runChecks(context);
const rows = flags['skip-benchmarks'] ? [] : await runBenchmarks(context);
const peers = flags['skip-peers'] || flags['skip-benchmarks'] ? [] : runPeers(context);
const failed = checks.filter(({ ok }) => !ok).length + rows.filter((row) => row.failed).length;
if (rows.length > 0) printTable([...rows, ...peers], rows[0].secondsPerStep);
if (flags.json)
  writeFileSync(flags.json, JSON.stringify({ facts, device, shape, checks, rows, peers }, null, 2));
console.log(
  `\n${checks.length} checks, ${failed} failed; ${elapsed().toFixed(0)} s${isDry ? '; a dry run' : ''}`,
);
process.exitCode = failed > 0 ? 1 : 0;
