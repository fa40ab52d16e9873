import { PermafrostError } from '../errors/error.js';
import { writeStreamAtomic } from '../io/atomic-write.js';
import { shown } from './format-error.js';
import { codePoints, textOf } from './place.js';
import type { Sentence } from './sentence.js';
import { spansOfTags } from './spans/select.js';

/** Forms that sentences are written in. */
export const WRITTEN_FORMS = ['conll', 'jsonl', 'spans'] as const;

export type WrittenForm = (typeof WRITTEN_FORMS)[number];

/** What was written. */
export interface Written {
  sentences: number;
  words: number;
  entities: number;
}

/**
 * Writes sentences as they come, and puts the file in place as a whole at the end.
 *
 * - `conll`: word, tab, tag in IOB2; blank lines between sentences, `-DOCSTART-` where a document begins
 * - `jsonl`: `words`, `tags`, and where there are some `document`, `text` and the words' `offsets`, an object a line
 * - `spans`: `text` and `spans` of `start`, `end`, `label`, an object a line; words without a text stand between spaces
 *
 * Offsets count code points from the beginning of the sentence's text.
 *
 * @throws WRITE_FAILED; DATA_FORMAT for a word that columns cannot hold. The previous file is then untouched.
 */
export async function writeSentences(
  file: string,
  blocks: AsyncIterable<readonly Sentence[]>,
  form: WrittenForm,
): Promise<Written> {
  const written: Written = { sentences: 0, words: 0, entities: 0 };
  const write = WRITERS[form];
  const chunks = async function* () {
    let document = documentKey({});
    for await (const sentences of blocks) {
      const parts: string[] = [];
      for (const sentence of sentences) {
        written.sentences++;
        written.words += sentence.words.length;
        written.entities += spansOfTags(sentence.tags).length;
        const key = documentKey(sentence);
        parts.push(write(sentence, key !== document));
        document = key;
      }
      if (parts.length > 0) yield Buffer.from(parts.join(''));
    }
  };
  await writeStreamAtomic(file, chunks());
  return written;
}

const WRITERS: Readonly<Record<WrittenForm, (sentence: Sentence, beginsDocument: boolean) => string>> = {
  conll: columnsOf,
  jsonl: wordsLine,
  spans: spansLine,
};

function documentKey({ file, document }: Pick<Sentence, 'file' | 'document'>): string {
  return document === undefined ? '' : `${file}\n${document}`;
}

function columnsOf(sentence: Sentence, beginsDocument: boolean): string {
  const rows = sentence.words.map((word, index) => {
    requireColumn(word, sentence);
    return `${word}\t${sentence.tags[index]}\n`;
  });
  const start = beginsDocument && sentence.document !== undefined ? '-DOCSTART-\tO\n\n' : '';
  return `${start}${rows.join('')}\n`;
}

/** Tabs and line ends part columns, and spaces around a word, or a byte order mark before it, are no part of it. */
function requireColumn(word: string, { file, line }: Sentence): void {
  if (!/[\t\n\r]|^[ \ufeff]| $|^-DOCSTART-/.test(word) && word.trim() !== '') return;
  const where = file === undefined ? '' : `${file}:${line}: `;
  throw new PermafrostError(
    'DATA_FORMAT',
    `${where}the word ${shown(word)} cannot be written in columns. Write jsonl, or correct the word.`,
    { file, line, word },
  );
}

function wordsLine(sentence: Sentence): string {
  const { words, tags, document, weight, text, offsets } = sentence;
  const places = text !== undefined && offsets !== undefined && { text, offsets: pointsOf(text, offsets) };
  const more = { ...(document !== undefined && { document }), ...(weight !== undefined && { weight }) };
  return `${JSON.stringify({ words, tags, ...more, ...places })}\n`;
}

function spansLine(sentence: Sentence): string {
  const { text, offsets } = textOf(sentence);
  const points = pointsOf(text, offsets);
  const spans = spansOfTags(sentence.tags).map(({ first, last, type }) => ({
    start: points[first]![0],
    end: points[last]![1],
    label: type,
  }));
  const { document } = sentence;
  return `${JSON.stringify({ text, spans, ...(document !== undefined && { document }) })}\n`;
}

/** Places of words in code points. @param offsets in UTF-16 units, in order */
function pointsOf(text: string, offsets: NonNullable<Sentence['offsets']>): [number, number][] {
  let [unit, point] = [0, 0];
  const at = (next: number) => {
    point += codePoints(text, unit, next);
    unit = next;
    return point;
  };
  return offsets.map(([start, end]) => [at(start), at(end)]);
}
