// Makes the checkpoints of the presets demo and demo-kk anew: text of the project's own grammars, masked language
// modelling from random weights, weights in half precision with a record of what it took.
//
//   node scripts/pretrain-demo.mjs [demo] [demo-kk] [--out checkpoints] [--work out/pretrain-demo] [--threads N]
//
// Two stages, since twelve fresh layers take long to learn what three learn at once: three layers first, then
// twelve that begin as four copies of them ("progressive stacking", Gong et al. 2019). A run that was stopped goes on
// where it stopped, as long as --work is there.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { corpusStream, generateCorpus, trainWordPiece } from '../dist/entries/data.js';
import { describeEnvironment } from '../dist/experiment/environment.js';
import { presetByName } from '../dist/experiment/presets/by-name.js';
import { encoderConfigOf } from '../dist/experiment/shape.js';
import { MaskedLanguageModel, pretrain } from '../dist/index.js';
import { writeFileAtomic } from '../dist/io/atomic-write.js';
import { addon } from '../dist/native/addon.js';

const SEED = 20;
const SENTENCES = { train: 60_000, validation: 1_000 };
const VOCAB_SIZE = 2400;
// Without dropout: the text repeats too seldom to be learnt by heart.
const SHAPE = { hiddenSize: 128, numHeads: 4, intermediateSize: 256, maxPositions: 64, dropout: 0 };
const COMMON = { batchTokens: 1024, maxLength: SHAPE.maxPositions, seed: SEED };
const STAGES = [
  { layers: 3, epochs: 2, optimizer: { learningRate: 2e-3, warmupRatio: 0.06 } },
  { layers: 12, epochs: 3, optimizer: { learningRate: 1e-3, warmupRatio: 0.06 } },
];

const { values, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: 'checkpoints' },
    work: { type: 'string', default: join('out', 'pretrain-demo') },
    threads: { type: 'string', default: '0' },
  },
  allowPositionals: true,
});
const threads = Number(values.threads);

/** Distinct sentences, none of which stands in the annotated validation or test split. */
function textOf(language) {
  const { dataset } = presetByName(language);
  const annotated = generateCorpus(language, { seed: dataset.seed, sizes: dataset.sizes });
  const seen = new Set([...annotated.validation, ...annotated.test].map(({ words }) => words.join(' ')));
  const rows = [];
  for (const { words } of corpusStream(language, SEED)) {
    const key = words.join(' ');
    if (seen.has(key)) continue;
    seen.add(key);
    rows.push(words);
    if (rows.length === SENTENCES.train + SENTENCES.validation) break;
  }
  return { train: rows.slice(SENTENCES.validation), validation: rows.slice(0, SENTENCES.validation) };
}

function configOf(tokenizer, numLayers) {
  const { labels: _, ...config } = encoderConfigOf(
    { ...SHAPE, numLayers },
    tokenizer.vocabSize,
    tokenizer.padId,
    [],
  );
  return config;
}

async function trainStage(language, model, text, { layers, epochs, optimizer }) {
  const directory = join(values.work, language, `layers-${layers}`);
  const run = pretrain({ model, ...text, ...COMMON, epochs, optimizer, directory });
  for await (const event of run) {
    if (event.type === 'step' && event.step % 100 === 0) {
      console.log(
        `${language}, ${layers} layers: step ${event.step} of ${event.totalSteps}, loss ${event.loss.toFixed(3)}`,
      );
    } else if (event.type === 'evaluation') {
      console.log(
        `${language}, ${layers} layers: epoch ${event.epoch}, validation loss ${event.metrics.loss.toFixed(4)}`,
      );
    }
  }
  const { bestLoss, steps, tokens, seconds, validationTokens } = await run.result;
  return {
    layers,
    epochs,
    optimizer,
    steps,
    tokens,
    trainMinutes: seconds.train / 60,
    validationTokens,
    validationLoss: bestLoss,
    perplexity: Math.exp(bestLoss),
  };
}

async function make(language) {
  const startedAt = new Date();
  const text = textOf(language);
  const tokenizer = trainWordPiece(text.train.flat(), {
    vocabSize: VOCAB_SIZE,
    lowercase: true,
    minFrequency: 2,
  });
  const stages = [];
  let model = null;
  for (const stage of STAGES) {
    const options = { seed: SEED, tokenizer, threads };
    const shallow = model;
    model = shallow
      ? await stackLayers(shallow, stage.layers, options)
      : await MaskedLanguageModel.create(configOf(tokenizer, stage.layers), options);
    await shallow?.dispose();
    stages.push(await trainStage(language, model, text, stage));
  }
  const directory = join(values.out, language);
  await model.save(directory, { precision: 'fp16' });
  const { libtorch, availableCores } = addon();
  const record = {
    language,
    seed: SEED,
    sentences: SENTENCES,
    words: text.train.reduce((sum, words) => sum + words.length, 0),
    vocabulary: tokenizer.vocabSize,
    shape: { ...SHAPE, numLayers: model.config.numLayers },
    ...COMMON,
    stages,
    tokens: stages.reduce((sum, { tokens }) => sum + tokens, 0),
    trainMinutes: stages.reduce((sum, { trainMinutes }) => sum + trainMinutes, 0),
    wallMinutes: (Date.now() - startedAt.getTime()) / 60_000,
    threads: threads || availableCores,
    ...describeEnvironment({ libtorch: libtorch.loadedVersion, device: 'cpu' }),
  };
  await writeFileAtomic(join(directory, 'pretraining.json'), `${JSON.stringify(record, null, 2)}\n`);
  await model.dispose();
  rmSync(join(values.work, language), { recursive: true, force: true });
  console.log(
    `${directory}: perplexity ${stages.at(-1).perplexity.toFixed(2)}, ${record.trainMinutes.toFixed(1)} minutes`,
  );
}

for (const language of positionals.length > 0 ? positionals : ['demo', 'demo-kk']) await make(language);
