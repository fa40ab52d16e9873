// Gives damaged and odd inputs to everything that reads what others wrote, for a bounded time and by a seed.
//
//   node scripts/fuzz.mjs [--seconds 600] [--inputs N] [--seed 1] [--target NAME]... [--from N] [--out DIR] [--json]
//
// Each input has to end as a value or a PermafrostError, within ten seconds and two gigabytes. What does not is written
// to DIR, named TARGET-SEED-NUMBER; `--target TARGET --seed SEED --from NUMBER --inputs 1` runs it again. PERMAFROST_ADDON names
// another build of the addon, such as one with sanitizers. `--inputs` is the number for each target; without it each has
// its share of the time.
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../test/fuzz/random.mjs';
import { TARGETS } from '../test/fuzz/targets.mjs';

const HANG_MS = 10_000;
/** Loading what a target needs may take as long on a machine that is busy. */
const START_MS = 120_000;
const WORKER = fileURLToPath(new URL('../test/fuzz/worker.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    target: { type: 'string', multiple: true, default: Object.keys(TARGETS) },
    out: { type: 'string', default: join(tmpdir(), 'permafrost-fuzz') },
    jobs: { type: 'string', default: String(Math.max(1, Math.min(2, availableParallelism()))) },
    json: { type: 'boolean', default: false },
  },
});
const seed = values.seed;
const out = resolve(values.out);
const unknown = values.target.find((name) => !Object.hasOwn(TARGETS, name));
if (unknown !== undefined) {
  console.error(`There is no target ${unknown}. Expected ${Object.keys(TARGETS).join(', ')}.`);
  process.exit(2);
}
mkdirSync(out, { recursive: true });

const say = (line) => values.json || console.log(line);

/** One process: until its time is over, or an input kills it or does not end. */
function runProcess(name, first, last, seconds, found) {
  const stateFile = join(out, `.${name}.state`);
  writeFileSync(stateFile, Buffer.alloc(8, 0xff));
  const args = [name, seed, String(first), String(last), String(seconds), stateFile];
  const child = fork(WORKER, args, {
    execArgv: ['--max-old-space-size=1536'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let stderr = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      stderr = (stderr + text).slice(-20_000);
    });
  }
  return new Promise((settle) => {
    let done = null;
    let [current, since] = [Number.NaN, Date.now()];
    let isHung = false;
    const watch = setInterval(() => {
      const state = stateOf(stateFile);
      if (!Object.is(state, current)) [current, since] = [state, Date.now()];
      if (Date.now() - since < (state >= 0 ? HANG_MS : START_MS)) return;
      isHung = true;
      child.kill('SIGKILL');
    }, 500);
    child.on('message', (message) => {
      if ('failed' in message) found(message.failed, 'error', message.error);
      else done = message;
    });
    child.on('close', (code, signal) => {
      clearInterval(watch);
      const state = stateOf(stateFile);
      if (done === null) {
        const what = isHung ? 'hang' : 'crash';
        found(
          state,
          what,
          isHung ? `no end within ${HANG_MS} ms` : `exit code ${code}, signal ${signal}\n${stderr}`,
        );
      } else if (code !== 0) {
        found(state, 'crash', `at its end: exit code ${code}, signal ${signal}\n${stderr}`);
      }
      // An input is known by its number; a process that never began has none, and is not begun again.
      settle({
        next: done?.done ?? (state >= 0 ? state + 1 : last),
        codes: done?.codes ?? {},
        isOver: done !== null,
      });
    });
  });
}

function stateOf(file) {
  const bytes = readFileSync(file);
  return bytes.length === 8 ? bytes.readDoubleLE() : Number.NaN;
}

async function runTarget(name, seconds) {
  const { default: target } = await import(`../test/fuzz/targets/${name}.mjs`);
  const failures = [];
  const result = { target: name, inputs: 0, failures, codes: {} };
  let context;
  const found = async (input, kind, error) => {
    const file = join(out, `${name}-${seed}-${input}`);
    failures.push({ input, kind, error, file });
    say(
      `${name}: ${kind} at input ${input}: ${String(error).split('\n').slice(0, 3).join(' | ')}\n  ${file}`,
    );
    if (!(input >= 0)) return;
    context ??= target.setUp();
    const given = target.input(new Random(seed, name, input), await context);
    writeFileSync(file, Buffer.isBuffer(given) ? given : JSON.stringify(given));
    writeFileSync(`${file}.txt`, `${kind}\n${error}\n`);
  };
  const writes = [];
  const started = performance.now();
  const start = Number(values.from);
  const last = values.inputs === undefined ? Number.MAX_SAFE_INTEGER : start + Number(values.inputs);
  for (let first = start; first < last; ) {
    const left = seconds - (performance.now() - started) / 1000;
    if (left <= 0) break;
    const run = await runProcess(name, first, last, left, (...args) => writes.push(found(...args)));
    result.inputs += run.next - first;
    for (const [code, count] of Object.entries(run.codes))
      result.codes[code] = (result.codes[code] ?? 0) + count;
    first = run.next;
    if (run.isOver) break;
  }
  await Promise.all(writes);
  if (context) await target.tearDown?.(await context);
  const rate = Math.round(result.inputs / ((performance.now() - started) / 1000));
  const ends = Object.entries(result.codes).map(([code, count]) => `${code} ${count}`);
  say(`${name}: ${result.inputs} inputs (${rate}/s), ${failures.length} failures; ${ends.join(', ')}`);
  return result;
}

const shares = values.target.reduce((sum, name) => sum + TARGETS[name], 0);
const jobs = Number(values.jobs);
const waiting = [...values.target];
const results = [];
const runNext = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    results.push(await runTarget(name, (Number(values.seconds) * jobs * TARGETS[name]) / shares));
  }
};
await Promise.all(Array.from({ length: jobs }, runNext));
const inputs = results.reduce((sum, result) => sum + result.inputs, 0);
const failures = results.flatMap((result) => result.failures);
const count = (kind) => failures.filter((failure) => failure.kind === kind).length;
say(
  `${inputs} inputs, ${count('crash')} crashes, ${count('hang')} hangs, ${count('error')} untyped errors` +
    (failures.length > 0 ? `; see ${out}` : ''),
);
if (values.json) console.log(JSON.stringify({ seed, inputs, results, out }));
process.exitCode = failures.length > 0 ? 1 : 0;
