// Steps over one fixed batch, none of them recorded, for a profiler to look at.
//
//   node trace.mjs DEVICE SHAPE BATCH STEPS LENGTHS_JSON
import { full } from '../../dist/freezing/strategy.js';
import { batchAt, randomSentences, SHAPES, trainOn, vocabularyOf, withModel } from './workload.mjs';

const [device, shape, size, steps, lengths] = process.argv.slice(2);
const sentences = randomSentences(JSON.parse(lengths), vocabularyOf(shape));
const batch = batchAt(sentences, 0, Number(size));

await withModel({ shape, device, precision: 'bf16' }, async (model) => {
  await model.freeze(full().plan(SHAPES[shape].numLayers));
  const trainer = await model.trainer({ learningRate: 3e-5, graphs: 'off' });
  await trainOn(
    trainer,
    Array.from({ length: Number(steps) }, () => batch),
  );
});
console.log(JSON.stringify({ tokens: batch.inputIds.length }));
