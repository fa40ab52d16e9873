import { Turns } from '../io/turns.js';
import { formatError } from './format-error.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import { ReadingNotes } from './reading-notes.js';
import type { Sentence } from './sentence.js';
import { findViolation, SchemeEvidence, type TagScheme, toIob2 } from './tag-scheme.js';

/** A sentence as its file has it. */
export interface RawSentence extends Omit<Sentence, 'line'> {
  /** Line of each word, or of the first alone. */
  lines: number[];
}

/** Reads a file from its start, some sentences at once. @param notes takes what is changed or left out */
export type ReadRaw = (notes: ReadingNotes) => AsyncIterable<readonly RawSentence[]>;

/**
 * Gives the sentences of a file in IOB2, as many at once as were read.
 *
 * @param read is called twice with `auto`, first to find the scheme.
 * @param scheme null where the tags are in IOB2 as they are made.
 * @throws DATA_FORMAT for a file without sentences, and for a tag that breaks the rules of a scheme that was named.
 */
export async function* normalizeSentences(
  file: string,
  read: ReadRaw,
  scheme: CheckedReadOptions['scheme'] | null,
  { notes = new ReadingNotes(), tags: wanted = 'required' }: Reading = {},
): AsyncGenerator<Sentence[]> {
  const known = wanted === 'ignored' || scheme === null ? 'iob2' : scheme === 'io' ? 'iob1' : scheme;
  const actual = known === 'auto' ? await detectScheme(read(new ReadingNotes())) : known;
  const isChecked = known !== 'auto' && scheme !== null && wanted === 'required';
  let isEmpty = true;
  const turns = new Turns();
  for await (const found of read(notes)) {
    const sentences: Sentence[] = [];
    for (const raw of found) {
      isEmpty = false;
      const { words, tags, lines } = raw;
      if (isChecked) requireScheme(file, tags, lines, actual);
      const sentence: Sentence = {
        words,
        tags: toIob2(tags, actual),
        file: raw.file ?? file,
        line: lines[0]!,
      };
      if (raw.document !== undefined) sentence.document = raw.document;
      if (raw.text !== undefined) Object.assign(sentence, placesOf(raw));
      sentences.push(sentence);
      if (turns.areDue) await turns.take();
    }
    yield sentences;
  }
  if (isEmpty) {
    throw formatError(
      file,
      null,
      'expected annotated sentences, got none. Give a file with a word and its tag on each line, or another of the ' +
        'forms of docs/data.md.',
    );
  }
}

/** What a sentence that has a text tells of its words' places. */
function placesOf({ text, offsets, offsetUnit, textStart }: RawSentence): Partial<Sentence> {
  return {
    ...(text !== undefined && { text }),
    ...(offsets !== undefined && { offsets }),
    ...(offsetUnit !== undefined && { offsetUnit }),
    ...(textStart !== undefined && { textStart }),
  };
}

/** Sentences one by one. */
export async function* eachOf(blocks: AsyncIterable<readonly Sentence[]>): AsyncGenerator<Sentence> {
  for await (const block of blocks) yield* block;
}

async function detectScheme(blocks: AsyncIterable<readonly RawSentence[]>): Promise<TagScheme> {
  const evidence = new SchemeEvidence();
  for await (const sentences of blocks) for (const { tags } of sentences) evidence.add(tags);
  return evidence.scheme();
}

function requireScheme(file: string, tags: string[], lines: number[], scheme: TagScheme): void {
  const violation = findViolation(tags, scheme);
  if (violation === null) return;
  const { index, expected } = violation;
  throw formatError(
    file,
    lines[index] ?? lines[0]!,
    `expected ${expected}, got ${tags[index]} (scheme ${scheme}). Correct the tag, or let scheme 'auto' find how the ` +
      'file marks entities.',
    { scheme, got: tags[index] },
  );
}
