import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../built.mjs';
import { fixture } from '../corpus.mjs';
import { mutatedBytes, mutatedText } from '../mutate.mjs';

const TEXT = 'Bo 👍 Ek won';
const TASK = {
  data: { text: TEXT },
  annotations: [{ result: [{ value: { start: 0, end: 2, text: 'Bo', labels: ['PER'] } }] }],
};

/** A small file of each form that is told by its content. */
const SAMPLES = [
  JSON.stringify([{ words: ['Bo', 'won'], tags: ['B-PER', 'O'] }]),
  JSON.stringify(
    {
      tokens: ['Bo', '👍'],
      ner_tags: [1, 0],
      text: 'Bo 👍',
      offsets: [
        [0, 2],
        [3, 4],
      ],
    },
    null,
    1,
  ),
  `${JSON.stringify({
    text: TEXT,
    label: [
      [0, 6, 'PER'],
      [0, 2, 'X'],
    ],
  })}\n`.repeat(2),
  JSON.stringify({ text: TEXT, spans: [{ start: 5, end: 7, label: 'PER' }], answer: 'accept' }),
  JSON.stringify([TASK, { ...TASK, annotations: [] }], null, 2),
  JSON.stringify([{ text: TEXT, people: [{ start: 0, end: 2, text: 'Bo', labels: ['PER', 'A B'] }] }]),
  JSON.stringify({ classes: ['PER'], annotations: [[TEXT, { entities: [[0, 2, 'PER']] }]] }),
  'Sentence #,Word,Tag\nSentence: 1,Bo,B-PER\n,"say ""x""",O\nSentence: 2,Ek,I-PER\n',
  '1\tBo\t_\tX\t_\t_\t0\t_\t_\tNER=B-PER\n1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_\n2\twon\t_\tX\t_\t_\t1\t_\t_\t_\n',
  '1\tFC\tB-ORG\tO\n2\tOslo\tI-ORG\tB-LOC\n\r\r\ufeff1\tx\tO\tO\n',
  'Bo\tPER-B\nEk\tPER-E\nwon\tO\n',
  fixture('spacy/entities.spacy'),
  fixture('arrow/words.arrow'),
].map((sample) => Buffer.from(sample));

// Files of any form by the one reader for all: what tells the form is damaged, too.
export default {
  name: 'forms',
  async setUp() {
    const { readSentences } = await built('data/read-sentences.js');
    const { textOf } = await built('data/place.js');
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-forms-'));
    return { readSentences, textOf, file: join(directory, 'file'), directory };
  },
  input(random) {
    const sample = random.pick(SAMPLES);
    const isText = sample.toString('utf8').length === sample.toString('latin1').length || random.once(2);
    const bytes = random.once(8)
      ? sample
      : isText
        ? Buffer.from(mutatedText(random, sample.toString('utf8')))
        : mutatedBytes(random, sample, SAMPLES);
    const options = {
      ...(random.once(4) && { nested: random.pick(['outermost', 'innermost', 1, 2]) }),
      ...(random.once(4) && { offsets: 'utf16' }),
      ...(random.once(4) && { tagNames: ['O', 'B-PER', 'I-PER'] }),
      ...(random.once(8) && { tagColumn: random.pick([1, 2, 'label', 'spans', '__proto__']) }),
      ...(random.once(8) && { scheme: random.pick(['iob1', 'iob2', 'iobes', 'io']) }),
    };
    return { bytes: bytes.toString('latin1'), options, tags: random.once(4) ? 'ignored' : 'required' };
  },
  async run({ bytes, options, tags }, { readSentences, textOf, file }) {
    writeFileSync(file, Buffer.from(bytes, 'latin1'));
    for (const sentence of await readSentences(file, options, { tags })) {
      const { words, tags: found } = sentence;
      if (words.length === 0 || words.length !== found.length)
        throw new Error('a sentence of uneven columns');
      const { text, offsets } = textOf(sentence);
      if (offsets.some(([start, end], i) => text.slice(start, end) !== words[i]))
        throw new Error('a misplaced word');
    }
  },
  tearDown: ({ directory }) => rmSync(directory, { recursive: true, force: true }),
};
