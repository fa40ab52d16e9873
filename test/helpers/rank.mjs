// One rank of the trainings that a test compares; it takes part in those that have more ranks than its own number.
//
//   node rank.mjs '{ rank, entries: { index, training, data }, folder, runs: [...] }'
//
// Tells events line by line, and leaves <folder>/<run>-<rank>.json and its weights, .bin, beside it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { rank, entries, folder, runs } = JSON.parse(process.argv[2]);
const { finetune, labelSet, MaskedLanguageModel, PrefixCache, pretrain, TokenClassifier } = await import(
  entries.index
);
const { Group } = await import(entries.training);
const { generateCorpus, trainWordPiece } = await import(entries.data);

const corpus = generateCorpus('demo', { seed: 5, sizes: { train: 120, validation: 60, test: 40 } });
const tokenizer = trainWordPiece(
  corpus.train.flatMap(({ words }) => words),
  { vocabSize: 400, lowercase: true },
);
const shape = {
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numLayers: 3, numHeads: 2, intermediateSize: 64 },
  ...{ maxPositions: 128, initializerRange: 0.2 },
  labels: labelSet([...corpus.train, ...corpus.validation, ...corpus.test]),
};
const wordsOf = (sentences) => sentences.map(({ words }) => words);

for (const run of runs) if (rank < run.size) await take(run);

async function take({ name, size, port, task, options, group: waits, keepPrefix, otherData, abortAt }) {
  const say = (event) => process.stdout.write(`${JSON.stringify({ run: name, ...event })}\n`);
  const place = { rank, size, localRank: rank, localSize: size, host: '127.0.0.1', port };
  const group =
    size > 1
      ? await Group.join({ ...place, serves: rank === 0, prefix: name, launcher: 'permafrost' }, waits)
      : null;
  const Model = task === 'pretrain' ? MaskedLanguageModel : TokenClassifier;
  const model = await Model.create(shape, { seed: 1, threads: 1, tokenizer });
  const abort = new AbortController();
  const train = rank === otherData ? corpus.train.slice(1) : corpus.train;
  const given = {
    ...{ model, earlyStopping: false, energy: false, tensorboard: false, signal: abort.signal },
    ...(group && { distributed: group }),
    ...(keepPrefix && { prefixCache: new PrefixCache({ memoryBytes: 2 ** 26 }) }),
    ...options,
  };
  try {
    const training =
      task === 'pretrain'
        ? pretrain({ ...given, train: wordsOf(train), validation: wordsOf(corpus.validation) })
        : finetune({ ...given, ...corpus, train });
    const types = [];
    for await (const { type, step } of training) {
      if (type !== 'step') types.push(type);
      say({ type, step });
      if (type === 'step' && rank === abortAt?.rank && step === abortAt.step) abort.abort();
    }
    const result = await training.result;
    const weights = [];
    for (const { name } of model.parameters()) {
      // Nothing depends on the bias of keys: its gradient is rounding alone, which AdamW makes as large as any.
      if (!name.endsWith('attention.self.key.bias')) weights.push(await model.readParameter(name));
    }
    const path = join(folder, `${name}-${rank}`);
    writeFileSync(`${path}.bin`, Buffer.concat(weights.map(({ buffer }) => Buffer.from(buffer))));
    writeFileSync(
      `${path}.json`,
      JSON.stringify({ ...result, types, sizes: weights.map(({ length }) => length) }),
    );
    say({ type: 'end' });
  } catch (error) {
    const { name: kind, code, message, details } = error;
    say({ type: 'error', kind, code, message, details });
  } finally {
    await model.dispose();
    await group?.close();
  }
}
