// Checks and benchmarks of the engine on a card, and one short table at the end.
//
//   node scripts/gpu-check.mjs [--part all|checks|bench] [--device cuda] [--lengths FILE] [--skip-peers]
//                              [--seconds 2] [--budget 225] [--json FILE] [--dry-run]
//
// Each part takes less than four minutes; whatever hangs is given up after its time. Takes the addon that
// PERMAFROST_ADDON names, or the one built here, and dist/. `--dry-run` runs all of it on the CPU with a small model: the
// figures mean nothing then. scripts/gpu-check.sh builds first, where there is no npm.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addon } from '../dist/native/addon.js';
import { benchmarks } from './gpu-check/benchmarks.mjs';
import { CHECKS } from './gpu-check/checks.mjs';
import { Clock, within } from './gpu-check/clock.mjs';
import { peers } from './gpu-check/peers.mjs';
import { profile } from './gpu-check/profile.mjs';
import { printTable } from './gpu-check/table.mjs';
import { randomSentences, vocabularyOf } from './gpu-check/workload.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const LONGEST = 128;
const PARTS = ['all', 'checks', 'bench'];
/** Seconds after which a single check, or row, is given up. */
const MOST_SECONDS = 60;

const { values: flags } = parseArgs({
  options: {
    part: { type: 'string', default: 'all' },
    device: { type: 'string', default: 'cuda' },
    lengths: { type: 'string' },
    'skip-peers': { type: 'boolean', default: false },
    seconds: { type: 'string', default: '2' },
    budget: { type: 'string', default: '225' },
    json: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  },
});
if (!PARTS.includes(flags.part)) throw new Error(`--part ${flags.part}: expected ${PARTS.join(', ')}`);

const isDry = flags['dry-run'];
const device = isDry ? 'cpu' : flags.device;
const isCard = device.startsWith('cuda');
const started = performance.now();

/** Tokens of CoNLL-2003's training sentences where they are at hand, else lengths of the same mean, 20. */
function sentenceLengths() {
  const shared =
    process.env.PERMAFROST_SHARED ?? [join(ROOT, '../shared'), join(ROOT, 'shared')].find(existsSync);
  const file = flags.lengths ?? (shared && join(shared, 'data/lengths/conll2003-train.json'));
  if (file && existsSync(file)) {
    const lengths = JSON.parse(readFileSync(file, 'utf8')).map((length) => Math.min(length, LONGEST));
    return { lengths, from: file };
  }
  if (flags.lengths) throw new Error(`--lengths ${file} does not exist`);
  const lengths = Array.from(
    { length: 4096 },
    (_, i) => 4 + Math.round(-16 * Math.log(1 - ((i * 0.618034) % 1))),
  );
  return { lengths: lengths.map((length) => Math.min(length, LONGEST)), from: 'drawn, mean about 20' };
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

async function runChecks(context, clock) {
  const results = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    const left = Math.min(clock.left(), MOST_SECONDS);
    try {
      if (left <= 0) throw new Error('not run: out of time');
      results.push({ name, ok: true, finding: await within(left, check(context)) });
    } catch (error) {
      results.push({ name, ok: false, finding: `${error.code ? `${error.code}: ` : ''}${error.message}` });
    }
    const { ok, finding } = results.at(-1);
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${finding}) [${clock.elapsed().toFixed(0)} s]`);
  }
  return results;
}

async function runRows(rows, context, clock) {
  const results = [];
  for (const [name, measure] of rows) {
    const left = Math.min(clock.left(), MOST_SECONDS);
    if (left <= 0) {
      results.push({ name, 'a step': 'not run: out of time' });
      continue;
    }
    try {
      results.push(await within(left, measure({ ...context, left }, name)));
    } catch (error) {
      results.push({ name, 'a step': `FAILED ${error.code ?? ''} ${error.message}`, failed: true });
    }
    console.log(`${name}: ${results.at(-1)['a step']} [${clock.elapsed().toFixed(0)} s]`);
  }
  return results;
}

const { lengths, from } = sentenceLengths();
const facts = describe();
console.log(`device ${device}; lengths: ${from}`);
const shape = isDry ? 'tiny' : 'base';
const used = lengths.slice(0, isDry ? 64 : 4096);
const context = {
  device,
  isCard,
  isDry,
  capability: facts.capability,
  shape,
  lengths: isDry ? used : lengths,
  sentences: randomSentences(used, vocabularyOf(shape)),
  seconds: isDry ? 0.05 : Number(flags.seconds),
  ...(isDry && {
    ...{ warmUp: 1, largeBatch: 48, volumeSentences: 64, validationSentences: 32, epochs: 2, freshSteps: 2 },
  }),
};

const budget = Number(flags.budget);
const checks = flags.part === 'bench' ? [] : await runChecks(context, new Clock(budget));
let [rows, others, groups] = [[], [], []];
if (flags.part !== 'checks') {
  // Peers and the profile have a part of the time by themselves.
  rows = await runRows(benchmarks(context), context, new Clock(budget * 0.5));
  if (!flags['skip-peers']) others = await runRows(peers(context), context, new Clock(budget * 0.35));
  groups = await runRows(profile(context), context, new Clock(budget * 0.15));
}
const failed = [...checks.filter(({ ok }) => !ok), ...[...rows, ...groups].filter((row) => row.failed)]
  .length;
if (flags.json)
  writeFileSync(
    flags.json,
    JSON.stringify({ facts, device, shape, checks, rows, peers: others, profile: groups }, null, 2),
  );
if (groups.length > 0) printTable(groups.flatMap(({ groups: of = [], ...row }) => [row, ...of]));
if (rows.length > 0) printTable([...rows, ...others], rows[0].secondsPerStep);
const seconds = (performance.now() - started) / 1000;
console.log(
  `\n${checks.length} checks, ${failed} failed; ${seconds.toFixed(0)} s${isDry ? '; a dry run' : ''}`,
);
// What was given up may still hold an engine.
process.exit(failed > 0 ? 1 : 0);
