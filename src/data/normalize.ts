import type { PermafrostError } from '../errors/error.js';
import { Turns } from '../io/turns.js';
import { formatError, shown } from './format-error.js';
import type { Sentence } from './sentence.js';
import { findViolation, isTag, SchemeEvidence, TAG_FORMS, type TagScheme, toIob2 } from './tag-scheme.js';

/** A sentence as its file has it, with the line of each word. */
export interface RawSentence {
  words: string[];
  tags: string[];
  lines: number[];
  /** Where the file parts documents. */
  document?: string;
  /** What it counts for in a training. */
  weight?: number;
}

/**
 * Gives the sentences of a file in IOB2, as many at once as were read.
 *
 * @param read reads the file from its start, some sentences at once; with `auto` it is called twice, first to find the scheme.
 * @throws DATA_FORMAT for a file without sentences, and for a tag that breaks the rules of a scheme that was named.
 */
export async function* normalizeSentences(
  file: string,
  read: () => AsyncIterable<RawSentence[]>,
  scheme: TagScheme | 'auto',
): AsyncGenerator<Sentence[]> {
  const actual = scheme === 'auto' ? await detectScheme(read()) : scheme;
  let isEmpty = true;
  const turns = new Turns();
  for await (const found of read()) {
    const sentences: Sentence[] = [];
    for (const { words, tags, lines, document, weight } of found) {
      isEmpty = false;
      if (scheme !== 'auto') requireScheme(file, tags, lines, scheme);
      const sentence: Sentence = { words, tags: toIob2(tags, actual), file, line: lines[0]! };
      if (document !== undefined) sentence.document = document;
      if (weight !== undefined) sentence.weight = weight;
      sentences.push(sentence);
      if (turns.areDue) await turns.take();
    }
    yield sentences;
  }
  if (isEmpty) {
    throw formatError(
      file,
      null,
      'expected annotated sentences, got none. Give a file with a word and its tag on each line, or JSON lines.',
    );
  }
}

/** Sentences one by one. */
export async function* eachOf(blocks: AsyncIterable<Sentence[]>): AsyncGenerator<Sentence> {
  for await (const block of blocks) yield* block;
}

/**
 * Checks the form of tags, each distinct one once, and gives equal tags one string, so that they take no memory twice.
 */
export class TagForms {
  readonly #known = new Map<string, string>();

  constructor(private readonly file: string) {}

  /** @throws DATA_FORMAT naming file and line where the text is no tag. */
  check(text: string, line: number, remedy: () => string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (!isTag(text)) throw malformedTag(this.file, line, text, remedy());
    this.#known.set(text, text);
    return text;
  }
}

async function detectScheme(blocks: AsyncIterable<RawSentence[]>): Promise<TagScheme> {
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
    lines[index]!,
    `expected ${expected}, got ${tags[index]} (scheme ${scheme}). Correct the tag, or let scheme 'auto' find how the ` +
      'file marks entities.',
    { scheme, got: tags[index] },
  );
}

function malformedTag(file: string, line: number, got: string, remedy: string): PermafrostError {
  return formatError(file, line, `expected a tag of the form ${TAG_FORMS}, got ${shown(got)}. ${remedy}`, {
    got,
  });
}
