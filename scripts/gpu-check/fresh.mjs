// The first steps of a fresh process, recording included. Prints one line of JSON.
//
//   node fresh.mjs DEVICE SHAPE STEPS LENGTHS_JSON
import { full } from '../../dist/freezing/strategy.js';
import { batchAt, randomSentences, SHAPES, shapesOf, trainOn, vocabularyOf, withModel } from './workload.mjs';

const [device, shape, count, lengths] = process.argv.slice(2);
const steps = Number(count);
const sentences = randomSentences(JSON.parse(lengths), vocabularyOf(shape));
const batches = Array.from({ length: steps }, (_, i) => batchAt(sentences, i * 32, 32));

const result = await withModel({ shape, device, precision: 'bf16' }, async (model) => {
  await model.freeze(full().plan(SHAPES[shape].numLayers));
  const start = performance.now();
  const trainer = await model.trainer({ learningRate: 3e-5 });
  await trainer.expect(shapesOf(batches));
  const results = await trainOn(trainer, batches);
  const seconds = (performance.now() - start) / 1000;
  const tokens = results.reduce((sum, step) => sum + step.tokens, 0);
  const { graphs, peakBytes } = await model.deviceFacts();
  return { seconds, steps, tokens, graphs, peakBytes };
});
console.log(JSON.stringify(result));
