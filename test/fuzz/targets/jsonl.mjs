import { built } from '../built.mjs';
import { anyText, mutatedJson } from '../mutate.mjs';
import { lineInput, lineTarget, runLines } from './lines.mjs';

const optionsOf = (random) => ({
  ...(random.once(4) && { tokenColumn: random.pick(['words', 'tokens', 'x', '__proto__']) }),
  ...(random.once(4) && { tagColumn: random.pick(['tags', 'ner_tags', 'x', 'constructor']) }),
  ...(random.once(4) && { tagNames: ['O', 'B-LOC', 'I-LOC'] }),
  ...(random.once(4) && { scheme: random.pick(['auto', 'iob1', 'iob2', 'iobes']) }),
});

export default {
  name: 'jsonl',
  async setUp() {
    const context = await lineTarget('jsonl', 'data/read-json.js', 'jsonBlocks', optionsOf);
    const { lineValues, streamedValues } = await built('data/json-values.js');
    // Every other input as objects one after another, whatever the lines.
    const source = (chunks, cut) =>
      cut % 2 === 0 ? lineValues(context.source(chunks)) : streamedValues('file', chunks);
    const lines = context.texts.flatMap((text) => text.toString('utf8').trim().split('\n'));
    return { ...context, source, records: lines.map((line) => JSON.parse(line)) };
  },
  input(random, context) {
    if (random.once(2)) return lineInput(random, context);
    const records = Array.from({ length: 1 + random.below(3) }, () => random.pick(context.records));
    const lines = records.map((record) =>
      JSON.stringify(random.once(2) ? record : mutatedJson(random, record)),
    );
    const bytes = Buffer.from(lines.join(random.once(8) ? anyText(random, 4) : '\n')).toString('latin1');
    return { bytes, cut: 1 + random.length(bytes.length + 1), options: optionsOf(random) };
  },
  run: runLines,
};
