// Sentences a second of ours, of Transformers and of ONNX Runtime, on the same model and sentences, in turn: while one
// computes, the others wait. Needs a Python with transformers, onnxruntime and onnx (PERMAFROST_PYTHON, python3 by default).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_LENGTH } from '../../dist/bench/modes.js';
import { median } from '../../dist/bench/statistics.js';
import { predictTags } from '../../dist/evaluation/evaluate.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { exportOnnx } from '../../dist/export/export-onnx.js';
import { Tagger } from '../../dist/inference/tagger.js';
import { Random } from '../../dist/io/random.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import { encodeWordsDataset } from '../../dist/text/encode.js';
import { Tokenizer } from '../../dist/text/tokenizer.js';
import { multipliesInBf16, processorText } from '../processor.mjs';
import { startPython } from '../python-peer.mjs';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const SCRIPT = fileURLToPath(new URL('../peers/tagging.py', import.meta.url));
const PYTHON = process.env.PERMAFROST_PYTHON ?? 'python3';
const SEED = 42;
const BATCH_SIZE = 32;
const LABELS = ['O', ...['PER', 'ORG', 'LOC', 'MISC'].flatMap((type) => [`B-${type}`, `I-${type}`])];
/** Sentences of a round, of which those that are tagged one by one are a part. */
const SENTENCES = Number(process.env.PERMAFROST_BENCH_SENTENCES ?? 256);
const ALONE = 16;
const PRECISIONS = ['fp32', ...(multipliesInBf16() ? ['bf16'] : []), 'int8'];

/** Sentences of words that are pieces by themselves: of so many tokens as those of CoNLL-2003. */
async function sentencesOf(context, tokenizer) {
  const random = new Random(SEED, 'bench/tagging');
  const lengths = random.shuffle(await lengthsOf(context, 'conll2003-train.json')).slice(0, SENTENCES);
  const words = tokenizer.tokens().filter((token) => /^[a-z]{3,}$/.test(token));
  return lengths.map((length) =>
    Array.from({ length: Math.max(1, Math.min(length, MAX_LENGTH) - 2) }, () => random.pick(words)),
  );
}

/** A directory with a model of random weights, and with its graph. */
async function writeModel({ shape, data }, directory) {
  const tokenizer = await Tokenizer.load(join(data, 'bert-base-uncased', 'vocab.txt'));
  const config = encoderConfigOf(shape, tokenizer.vocabSize, tokenizer.padId, LABELS);
  const model = await TokenClassifier.create(config, { seed: SEED, tokenizer });
  await model.save(directory);
  await model.dispose();
  await exportOnnx({ model: directory, out: directory });
  return tokenizer;
}

const timed = async (work) => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

async function* streamOf(items) {
  yield* items;
}

/** Ours, by name: each a function that gives the seconds it takes. */
function ourDrivers(models, sentences) {
  const drivers = {};
  const texts = sentences.map((words) => words.join(' '));
  for (const [precision, { model, tagger }] of Object.entries(models)) {
    const dataset = encodeWordsDataset(sentences, model.tokenizer, { maxLength: MAX_LENGTH });
    drivers[`ours ${precision}`] = () => timed(() => predictTags(model, dataset));
    drivers[`our Tagger ${precision}`] = () =>
      timed(async () => {
        for await (const _ of tagger.tag(streamOf(texts)));
      });
    drivers[`our Tagger ${precision}, one by one`] = () =>
      timed(async () => {
        for (const text of texts.slice(0, ALONE)) await tagger.tag(text);
      });
  }
  return drivers;
}

/** Theirs; an answer tells its seconds itself. */
function theirDrivers(peer, sentences, tokenizer) {
  const texts = sentences.map((words) => words.join(' '));
  const ids = sentences.map((words) => [
    tokenizer.clsId,
    ...words.flatMap((word) => Array.from(tokenizer.wordPieces(word))),
    tokenizer.sepId,
  ]);
  const ask = (driver, precision, { sorted = true, batch = BATCH_SIZE, count } = {}) => {
    const job = {
      driver,
      precision,
      sorted,
      batch,
      sentences: ids.slice(0, count),
      texts: texts.slice(0, count),
    };
    return async () => (await peer.ask(job)).seconds;
  };
  const alone = { sorted: false, batch: 1, count: ALONE };
  const drivers = {};
  for (const precision of PRECISIONS.filter((name) => name !== 'int8')) {
    drivers[`Transformers ${precision}, sorted`] = ask('model', precision);
    drivers[`Transformers ${precision}, as they come`] = ask('model', precision, { sorted: false });
    drivers[`pipeline ${precision}, sorted`] = ask('pipeline', precision);
    drivers[`pipeline ${precision}, one by one`] = ask('pipeline', precision, alone);
  }
  for (const precision of ['fp32', 'int8']) {
    drivers[`ONNX Runtime ${precision}, sorted`] = ask('onnx', precision);
    drivers[`ONNX Runtime ${precision}, one by one`] = ask('onnx', precision, alone);
  }
  return drivers;
}

/** What a driver is compared with: the fastest of ours that does the same work, in each precision. */
function opponentsOf(name) {
  const [kind, way] = [name.startsWith('pipeline') ? 'our Tagger' : 'ours', name.endsWith('one by one')];
  return PRECISIONS.map((precision) =>
    way ? `our Tagger ${precision}, one by one` : `${kind} ${precision}`,
  );
}

async function measure(drivers, { steps, warmup, note }) {
  const names = Object.keys(drivers);
  const seconds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < steps + warmup; round++) {
    // Each round begins with another one, so that none always follows the same.
    for (const [index] of names.entries()) {
      const name = names[(index + round) % names.length];
      const taken = await drivers[name]();
      if (round >= warmup) seconds[name].push(taken);
    }
    note(`  ${round + 1}/${steps + warmup}`);
  }
  return seconds;
}

export default {
  title: 'tagging beside Transformers and ONNX Runtime, CoNLL-2003 lengths',
  without: ['OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE'],
  async run(context) {
    const folder = mkdtempSync(join(tmpdir(), 'permafrost-bench-'));
    const models = {};
    let peer;
    try {
      const tokenizer = await writeModel(context, folder);
      const sentences = await sentencesOf(context, tokenizer);
      for (const precision of PRECISIONS) {
        const model = await TokenClassifier.load(folder, { threads: context.threads, precision });
        models[precision] = { model, tagger: Tagger.of(model) };
      }
      const threads = context.threads > 0 ? ['--threads', String(context.threads)] : [];
      const graph = join(folder, 'onnx', 'model.onnx');
      peer = await startPython(PYTHON, [SCRIPT, '--model', folder, '--onnx', graph, ...threads]);
      const drivers = { ...ourDrivers(models, sentences), ...theirDrivers(peer, sentences, tokenizer) };
      const seconds = await measure(drivers, context);
      const rows = Object.entries(seconds).map(([name, taken]) => {
        const count = name.endsWith('one by one') ? Math.min(ALONE, sentences.length) : sentences.length;
        const ratios = name.startsWith('our')
          ? PRECISIONS.map(() => '')
          : opponentsOf(name).map((ours) =>
              figure(median(taken.map((value, round) => value / seconds[ours][round]))),
            );
        return [name, (count / median(taken)).toFixed(1), ...ratios];
      });
      const { facts } = peer;
      return {
        head: ['driver', 'sentences/s', ...PRECISIONS.map((precision) => `its seconds/ours ${precision}`)],
        rows,
        notes: [
          `${context.shapeName}, random weights, ${sentences.length} sentences a round, ${context.steps} rounds, medians of ` +
            `the rounds' ratios; ${processorText()}. Transformers ${facts.transformers} on PyTorch ${facts.torch} ` +
            `(${facts.attention}), bf16 by autocast; ONNX Runtime ${facts.onnxruntime}, the fastest of our graph, the same ` +
            `tuned and PyTorch's tuned (${facts.fused.join(', ') || 'no fusion'}), int8 by \`quantize_dynamic\`. Peers take batches of ` +
            `${BATCH_SIZE}. "ours" takes ids and sorts them, as \`evaluate\` does.`,
          ...(multipliesInBf16() ? [] : ['No bf16: the processor has no instructions for it.']),
        ],
      };
    } finally {
      peer?.stop();
      for (const { model, tagger } of Object.values(models)) {
        await tagger.dispose();
        await model.dispose();
      }
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
