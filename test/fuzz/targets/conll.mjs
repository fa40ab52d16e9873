import { lineInput, lineTarget, runLines } from './lines.mjs';

const optionsOf = (random) => ({
  ...(random.once(4) && { tokenColumn: random.below(6) }),
  ...(random.once(4) && { tagColumn: 6 + random.below(3) }),
  ...(random.once(4) && { separator: random.pick(['auto', 'tab', 'space']) }),
  ...(random.once(4) && { scheme: random.pick(['auto', 'iob1', 'iob2', 'iobes']) }),
});

export default {
  name: 'conll',
  setUp: () => lineTarget('conll', 'data/read-conll.js', 'conllBlocks', optionsOf),
  input: lineInput,
  run: runLines,
};
