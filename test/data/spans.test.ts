import { describe, expect, it } from 'vitest';
import { placeOf } from '../../src/data/place.js';
import { readSentences } from '../../src/data/read-sentences.js';
import { ReadingNotes } from '../../src/data/reading-notes.js';
import type { Sentence } from '../../src/data/sentence.js';
import { selectSpans, spansOfTags, type WordSpan } from '../../src/data/spans/select.js';
import { wordPlaces } from '../../src/data/split-words.js';
import { WRITTEN_FORMS, type WrittenForm, writeSentences } from '../../src/data/write-sentences.js';
import { Random } from '../../src/io/random.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();

const PIECES = [
  ...[
    'Oslo',
    'don',
    '\u2019',
    "'",
    'U',
    '.',
    '-',
    ',',
    '1\u00a0000',
    '(',
    '"',
    '\\',
    '\t',
    '\n',
    '\r\n',
    ' ',
    '  ',
    '\u3000',
  ],
  ...['👍', '👩\u200d👧', '👋🏽', '🇳🇴', '❤\ufe0f', '1\ufe0f\u20e3', '𝔘', '🏴\u{e0067}\u{e007f}'],
  ...['e\u0301', 'a\u0308\u0323', '\u0301', '\u200d', '\u00ad', 'می\u200cخواهم', 'का'],
  ...['Алматы', 'қаласының', 'Әбіш', 'Ұлы', 'жүр', '中国', '北京市', '。', '，', '張三'],
];

interface Annotated {
  text: string;
  spans: [start: number, end: number, label: string][];
}

/** A text of anything, with disjoint spans from the begin of a word to the end of one, in code points. */
function anyText(random: Random): Annotated {
  const pieces = Array.from({ length: 1 + random.int(24) }, () => PIECES[random.int(PIECES.length)]!);
  const text = pieces.join(random.int(2) === 0 ? '' : ' ');
  const places = wordPlaces(text);
  const spans: Annotated['spans'] = [];
  const points = (unit: number) => [...text.slice(0, unit)].length;
  for (let first = 0; first < places.length; ) {
    const last = Math.min(places.length - 1, first + random.int(4));
    if (random.int(3) === 0) {
      spans.push([points(places[first]![0]), points(places[last]![1]), `T${random.int(3)}`]);
    }
    first = last + 1;
  }
  return { text, spans };
}

const spansOf = (sentence: Sentence): Annotated => ({
  text: sentence.text!,
  spans: spansOfTags(sentence.tags).map(({ first, last, type }) => {
    const { start, end } = placeOf(sentence, first, last);
    return [start, end, type];
  }),
});

describe('a thousand texts with emoji, marks, Kazakh and Chinese', () => {
  const random = new Random(7, 'spans');
  const texts = Array.from({ length: 1000 }, () => anyText(random)).filter(
    ({ text }) => wordPlaces(text).length > 0,
  );
  const path = write(
    'texts.jsonl',
    texts.map(({ text, spans }) => JSON.stringify({ text, label: spans })).join('\n'),
  );

  it('have every aligned span back at its place', async () => {
    expect(texts.length).toBeGreaterThan(950);
    expect(texts.filter(({ text }) => text.length > [...text].length).length).toBeGreaterThan(300);
    const notes = new ReadingNotes();
    const sentences = await readSentences(path, {}, { notes });
    expect(sentences.map(spansOf)).toEqual(texts);
    expect(notes.isEmpty).toBe(true);
    for (const { text, words, offsets } of sentences) {
      expect(offsets!.map(([start, end]) => text!.slice(start, end))).toEqual(words);
    }
  });

  it('have them in UTF-16 units, too', async () => {
    const units = texts.map(({ text, spans }) => {
      const unit = (point: number) => [...text].slice(0, point).join('').length;
      return { text, spans: spans.map(([start, end, label]) => [unit(start), unit(end), label]) };
    });
    const other = write('units.jsonl', units.map((record) => JSON.stringify(record)).join('\n'));
    expect((await readSentences(other, { offsets: 'utf16' })).map(spansOf)).toEqual(units);
  });

  it.each(['jsonl', 'spans'] as const)('have them through a file of %s', async (form) => {
    const sentences = await readSentences(path);
    const back = await written(sentences, form);
    expect(back.map(spansOf)).toEqual(texts);
    expect(back.map(({ words }) => words)).toEqual(sentences.map(({ words }) => words));
  });
});

describe('spans over words', () => {
  it('of any kind leave a choice without a word that two share, of the longest first', () => {
    const random = new Random(3, 'select');
    for (let round = 0; round < 500; round++) {
      const spans = Array.from({ length: random.int(9) }, (): WordSpan => {
        const first = random.int(10);
        return { first, last: first + random.int(4), type: 'X' };
      });
      for (const nested of ['outermost', 'innermost', 1, 2] as const) {
        const { kept, left } = selectSpans(spans, nested);
        expect(kept.length + left.length).toBe(spans.length);
        for (const [i, span] of kept.entries())
          if (i > 0) expect(span.first).toBeGreaterThan(kept[i - 1]!.last);
        if (nested !== 'outermost') continue;
        const size = ({ first, last }: WordSpan) => last - first;
        for (const { span } of left) {
          const rivals = kept.filter(({ first, last }) => first <= span.last && last >= span.first);
          expect(Math.max(...rivals.map(size))).toBeGreaterThanOrEqual(size(span));
        }
      }
    }
  });
});

let count = 0;
async function written(sentences: Sentence[], form: WrittenForm): Promise<Sentence[]> {
  const path = write(`written-${count++}`, '');
  await writeSentences(path, blocksOf(sentences), form);
  return readSentences(path);
}

async function* blocksOf(sentences: Sentence[]): AsyncGenerator<Sentence[]> {
  for (let i = 0; i < sentences.length; i += 3) yield sentences.slice(i, i + 3);
}

describe('what is read, written and read again', () => {
  const words = ['Bo', '#', 'B-52', 'New York', '"', 'x\u00a0y', 'U.S.', '{', '👍', '-DOC', 'O', ','];
  const random = new Random(5, 'round trip');
  const sentences = Array.from({ length: 200 }, (_, index): Sentence => {
    const length = 1 + random.int(7);
    const tags: string[] = [];
    for (let i = 0; i < length; i++) {
      const goesOn = i > 0 && tags[i - 1] !== 'O' && random.int(2) === 0;
      tags.push(goesOn ? `I-${tags[i - 1]!.slice(2)}` : random.int(3) === 0 ? `B-T${random.int(2)}` : 'O');
    }
    const picked = Array.from({ length }, () => words[random.int(words.length)]!);
    return { words: picked, tags, document: String(1 + Math.floor(index / 10)) };
  });
  const core = (list: Sentence[]) => list.map(({ words, tags, document }) => ({ words, tags, document }));

  it.each(['conll', 'jsonl'] as const)('is the same in %s, with its documents', async (form) => {
    expect(core(await written(sentences, form))).toEqual(sentences);
  });

  it('has the same text and entities in spans', async () => {
    const back = await written(sentences, 'spans');
    const text = (list: Sentence[]) =>
      list.map((sentence) =>
        spansOfTags(sentence.tags).map(({ first, last, type }) => ({
          ...placeOf(sentence, first, last),
          type,
        })),
      );
    expect(text(back)).toEqual(text(sentences));
    expect(back.map((sentence) => sentence.text)).toEqual(
      sentences.map((sentence) => sentence.words.join(' ')),
    );
  });

  it('is the same the second time, whatever it goes through', async () => {
    for (const first of WRITTEN_FORMS) {
      for (const second of WRITTEN_FORMS) {
        const once = await written(sentences, first);
        const twice = await written(once, second);
        if (second !== 'spans') expect(core(twice)).toEqual(core(once));
      }
    }
  });

  it('is refused in columns where a word would not come back, and the file stays as it was', async () => {
    for (const word of ['a\tb', 'a\nb', ' a', '\ufeffa', '-DOCSTART-', '\u00a0']) {
      const path = write('kept', 'as it was');
      const sentence = { words: [word], tags: ['O'], file: 'f', line: 3 };
      const error = await thrownBy(() => writeSentences(path, blocksOf([sentence]), 'conll'));
      expect(error).toMatchObject({ code: 'DATA_FORMAT' });
      expect(error.message).toMatch(/^f:3: the word/);
      expect(await written([sentence], 'jsonl')).toMatchObject([{ words: [word] }]);
    }
  });
});
