import { lineInput, lineTarget, runLines } from './lines.mjs';

const optionsOf = (random) => ({
  ...(random.once(4) && { wordsKey: random.pick(['words', 'tokens', 'x', '__proto__']) }),
  ...(random.once(4) && { tagsKey: random.pick(['tags', 'ner_tags', 'x', 'constructor']) }),
  ...(random.once(4) && { tagNames: ['O', 'B-LOC', 'I-LOC'] }),
  ...(random.once(4) && { scheme: random.pick(['auto', 'iob1', 'iob2', 'iobes']) }),
});

export default {
  name: 'jsonl',
  setUp: () => lineTarget('jsonl', 'data/read-jsonl.js', 'jsonlSentences', optionsOf),
  input: lineInput,
  run: runLines,
};
