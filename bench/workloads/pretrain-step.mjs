// A pretraining step against a fine-tuning step over the same tokens, and each against the bare matrix products that
// it computes. The steps take turns, so that a slow spell of the machine meets both.
import { timeProducts } from '../../dist/bench/engine-calls.js';
import { median } from '../../dist/bench/statistics.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { MaskedLanguageModel, TokenClassifier } from '../../dist/index.js';
import { Random } from '../../dist/io/random.js';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const VOCAB_SIZE = 8000;
const BATCH_TOKENS = 4096;
const LABELS = ['O', 'B-PER', 'I-PER', 'B-ORG', 'I-ORG', 'B-LOC', 'I-LOC', 'B-MISC', 'I-MISC'];
const MASK_RATE = 0.15;

/** Sentences of the given lengths up to the budget, with random tokens; `labelOf` says what a token's label is. */
function batchOf(lengths, labelOf) {
  const random = new Random(1, 'bench');
  const cuSeqlens = [0];
  for (let i = 0; cuSeqlens.at(-1) + lengths[i] <= BATCH_TOKENS; i++)
    cuSeqlens.push(cuSeqlens.at(-1) + lengths[i]);
  const inputIds = Int32Array.from({ length: cuSeqlens.at(-1) }, () => 5 + random.int(VOCAB_SIZE - 5));
  const labels = inputIds.map((id) => labelOf(id, random));
  return { inputIds, labels, cuSeqlens: Int32Array.from(cuSeqlens) };
}

async function contestant(name, model, batch) {
  const scored = batch.labels.filter((label) => label >= 0).length;
  return { name, model, batch, scored, trainer: await model.trainer({}), seconds: [], floors: [] };
}

async function round({ model, trainer, batch, scored, seconds, floors }, isTimed) {
  const started = performance.now();
  await trainer.step(batch);
  const elapsed = (performance.now() - started) / 1000;
  const floor = (await timeProducts(model, batch.inputIds.length, { scoredTokens: scored })).seconds;
  if (!isTimed) return;
  seconds.push(elapsed);
  floors.push(elapsed / floor);
}

export default {
  title: 'a step of masked language modelling against one of fine-tuning',
  async run({ shape, shapeName, steps, warmup, threads, ...context }) {
    const lengths = (await lengthsOf(context, 'conll2003-train.json')).map((length) => Math.min(length, 128));
    const config = encoderConfigOf(shape, VOCAB_SIZE, 0, LABELS);
    const { labels: _, ...unlabelled } = config;
    const classifier = await TokenClassifier.create(config, { threads });
    const language = await MaskedLanguageModel.create(unlabelled, { threads });
    try {
      const all = [
        await contestant(
          'fine-tuning',
          classifier,
          batchOf(lengths, (id) => id % LABELS.length),
        ),
        await contestant(
          'pretraining',
          language,
          batchOf(lengths, (id, random) => (random.next() < MASK_RATE ? id : -100)),
        ),
      ];
      for (let step = 0; step < warmup + steps; step++)
        for (const one of all) await round(one, step >= warmup);
      const rows = all.map(({ name, batch, scored, seconds, floors }) => [
        name,
        String(batch.inputIds.length),
        String(scored),
        figure(median(seconds)),
        figure(batch.inputIds.length / median(seconds)),
        figure(median(seconds.map((value, i) => value / all[0].seconds[i]))),
        figure(median(floors)),
      ]);
      return {
        head: ['step', 'tokens', 'scored', 's/step', 'tokens/s', 'against fine-tuning', 'step/products'],
        rows,
        notes: [`${shapeName}, vocabulary ${VOCAB_SIZE}, nothing frozen, dropout on; CoNLL-2003 lengths.`],
      };
    } finally {
      await classifier.dispose();
      await language.dispose();
    }
  },
};
