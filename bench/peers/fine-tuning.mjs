// Fine-tunes a real encoder with permafrost and with Hugging Face's Trainer (hf_finetune.py) on the same sentences, by the
// same settings and seeds, in turn on the CPU, and compares F1 on the same test sentences, and the seconds.
//
//   node bench/peers/fine-tuning.mjs --model DIR --data F [--train 1000] [--validation 200] [--test 600] [--frozen 0,6]
//     [--seeds 42,43,44] [--epochs 2] [--batch-size 16] [--learning-rate 1e-4] [--warmup-ratio 0.1] [--threads 1]
//     [--max-length 128]
//
// The sentences are drawn from F. PERMAFROST_PYTHON (python3 by default) has torch, transformers and accelerate. A JSON
// line a pair of runs goes to standard error, as they come; the table to standard output. SIGINT ends it behind the pair
// that runs, with the table of those that are done.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  countSentences,
  entityReport,
  pairedBootstrap,
  pairedDifference,
} from '../../dist/entries/metrics.js';
import { bottomUp, evaluate, finetune, labelSet, readSentences, TokenClassifier } from '../../dist/index.js';
import { Random } from '../../dist/io/random.js';
import { startPython } from '../python-peer.mjs';
import { figure, markdownTable } from '../table.mjs';

const SCRIPT = fileURLToPath(new URL('./hf_finetune.py', import.meta.url));
const PYTHON = process.env.PERMAFROST_PYTHON ?? 'python3';
/** Decides which sentences train, validate and test. */
const DRAW_SEED = 1;
const WEIGHT_DECAY = 0.01;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    train: text('1000'),
    validation: text('200'),
    test: text('600'),
    frozen: text('0,6'),
    seeds: text('42,43,44'),
    epochs: text('2'),
    'batch-size': text('16'),
    'learning-rate': text('1e-4'),
    'warmup-ratio': text('0.1'),
    threads: text('1'),
    'max-length': text('128'),
  },
});
if (values.model === undefined || values.data === undefined)
  throw new Error('--model DIR and --data F are needed.');
const numbers = (list) => list.split(',').map(Number);
const settings = {
  model: values.model,
  epochs: Number(values.epochs),
  batchSize: Number(values['batch-size']),
  learningRate: Number(values['learning-rate']),
  warmupRatio: Number(values['warmup-ratio']),
  weightDecay: WEIGHT_DECAY,
  maxLength: Number(values['max-length']),
  threads: Number(values.threads),
};

/** Sentences of a file by chance, in three parts that have none in common. */
function draw(sentences) {
  const order = new Random(DRAW_SEED, 'bench/fine-tuning').shuffle([...sentences.keys()]);
  const take = (name) => order.splice(0, Number(values[name])).map((index) => sentences[index]);
  return { train: take('train'), validation: take('validation'), test: take('test') };
}

async function startPeer() {
  const { facts, ask, stop } = await startPython(PYTHON, [SCRIPT]);
  return { versions: facts.versions, run: ask, stop };
}

async function ours(splits, { model: directory, frozen, seed, threads, ...course }) {
  const { learningRate, warmupRatio, weightDecay, ...rest } = course;
  const labels = labelSet(Object.values(splits).flat());
  const model = await TokenClassifier.load(directory, { device: 'cpu', threads, seed, labels });
  try {
    const run = finetune({
      model,
      train: splits.train,
      validation: splits.validation,
      freezing: bottomUp(frozen),
      optimizer: { learningRate, warmupRatio, weightDecay },
      earlyStopping: { metric: 'entityF1', patience: null },
      energy: false,
      seed,
      ...rest,
    });
    const started = performance.now();
    const { steps } = await run.result;
    const seconds = (performance.now() - started) / 1000;
    const { predicted } = await evaluate({ model, sentences: splits.test });
    return { predicted, seconds, steps };
  } finally {
    await model.dispose();
  }
}

/** Both systems on one plan and one seed, one after the other. */
async function pairOf(job, splits, files, peer) {
  const gold = splits.test.map(({ tags }) => tags);
  const scored = ({ predicted, seconds, steps }) => ({
    f1: entityReport(gold, predicted).micro.f1,
    counts: countSentences(gold, predicted),
    seconds,
    steps,
  });
  const pair = { ours: scored(await ours(splits, job)), peers: scored(await peer.run({ ...job, ...files })) };
  const shown = (_, value) => (value?.sentences === undefined ? value : undefined);
  console.error(JSON.stringify({ frozen: job.frozen, seed: job.seed, ...pair }, shown));
  return pair;
}

function rowOf(frozen, pairs) {
  const of = (system, key) => pairs.map((pair) => pair[system][key]);
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const signed = (value) => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;
  const listed = (f1s) => `${f1s.map((f1) => f1.toFixed(3)).join(', ')} (${mean(f1s).toFixed(3)})`;
  const [drawn] = pairedBootstrap([of('ours', 'counts')], of('peers', 'counts'));
  const { difference, low, high } = drawn.find(({ score }) => score === 'entityF1');
  const { interval } = pairedDifference(of('ours', 'f1'), of('peers', 'f1'));
  const [own, peers] = [mean(of('ours', 'seconds')), mean(of('peers', 'seconds'))];
  return [
    `bottom-up:${frozen}`,
    listed(of('ours', 'f1')),
    listed(of('peers', 'f1')),
    `${signed(difference)} (${signed(low)} to ${signed(high)})`,
    interval === null ? '-' : interval.map(signed).join(' to '),
    figure(own),
    figure(peers),
    figure(own / peers),
  ];
}

const HEAD = [
  'frozen',
  'entity F1, ours (mean)',
  "Transformers' (mean)",
  'difference (95%, sentences and seeds drawn)',
  "95%, Student's t over the seeds",
  'ours, s',
  "Transformers', s",
  'ratio',
];

const splits = draw(await readSentences(values.data));
const directory = mkdtempSync(join(tmpdir(), 'permafrost-fine-tuning-'));
const peer = await startPeer();
let isInterrupted = false;
process.once('SIGINT', () => {
  isInterrupted = true;
});
try {
  const files = Object.fromEntries(
    Object.entries(splits).map(([name, sentences]) => {
      const file = join(directory, `${name}.jsonl`);
      writeFileSync(
        file,
        sentences.map(({ words, tags }) => `${JSON.stringify({ words, tags })}\n`).join(''),
      );
      return [name, file];
    }),
  );
  const plans = new Map(numbers(values.frozen).map((frozen) => [frozen, []]));
  for (const seed of numbers(values.seeds)) {
    for (const [frozen, pairs] of plans) {
      if (!isInterrupted) pairs.push(await pairOf({ ...settings, frozen, seed }, splits, files, peer));
    }
  }
  const { torch, transformers } = peer.versions;
  const sizes = Object.entries(splits).map(([name, { length }]) => `${length} ${name}`);
  const title = `${basename(values.model)} on ${basename(values.data)} (${sizes.join(', ')})`;
  console.log(`${title}; torch ${torch}, Transformers ${transformers}\n`);
  const rows = [...plans].flatMap(([frozen, pairs]) => (pairs.length > 0 ? [rowOf(frozen, pairs)] : []));
  console.log(markdownTable(HEAD, rows));
} finally {
  peer.stop();
  rmSync(directory, { recursive: true, force: true });
}
