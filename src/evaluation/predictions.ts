import { z } from 'zod';
import { readLineBlocks } from '../data/read-lines.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { writeStreamAtomic } from '../io/atomic-write.js';
import { Turns } from '../io/turns.js';
import type { ErrorKind, PairedEntity } from './entity-errors.js';
import type { EntitySpan } from './entity-spans.js';
import { mean } from './statistics.js';

/** A sentence with the tags that a model gave it; a line of `predictions/validation.jsonl` and `test.jsonl`. */
export interface Prediction {
  /** `file:line` of its first word; the name of the split and its number from 1 where it is of no file. */
  source: string;
  words: readonly string[];
  /** Tag of each word as the data have it. */
  gold: readonly string[];
  /** Tag of each word as the model has it; `O` where it did not see the word. */
  predicted: readonly string[];
  /** Probability of each predicted tag; null where the model did not see the word. */
  scores?: readonly (number | null)[];
  /** What became of the sentence's entities. */
  entities?: readonly JudgedEntity[];
}

/** An entity with its words, and where its tags have scores the mean of these. */
export interface ToldSpan extends EntitySpan {
  text: string;
  score?: number;
}

/** What became of an entity of a prediction. */
export interface JudgedEntity extends Record<'gold' | 'predicted', ToldSpan | null> {
  kind: ErrorKind;
}

const tags = z.array(z.string());
const predictionSchema = z.object({
  source: z.string().optional(),
  words: tags,
  gold: tags,
  predicted: tags,
  scores: z.array(z.number().nullable()).optional(),
});

/** The longest line that is read: a whole document may be one. */
const MAX_LINE_BYTES = 1 << 28;
/** Lines that go to the disk together. */
const LINES_A_CHUNK = 1000;

/**
 * Puts sentences and the tags that a model gave them side by side.
 *
 * @param split names sentences that are of no file.
 * @param predicted tag of each word, shape [sentences][words].
 * @param options.scores probability of each of these, same shape.
 * @param options.first number of the first sentence in the split, from 0.
 */
export function* predictionsOf(
  split: string,
  sentences: readonly Sentence[],
  predicted: readonly (readonly string[])[],
  { scores, first = 0 }: { scores?: readonly (readonly (number | null)[])[]; first?: number } = {},
): Generator<Prediction> {
  for (const [index, sentence] of sentences.entries()) {
    const source = sentence.file === undefined ? `${split}:${first + index + 1}` : sourceOf(sentence);
    const { words, tags: gold } = sentence;
    yield { source, words, gold, predicted: predicted[index]!, ...(scores && { scores: scores[index]! }) };
  }
}

/** A prediction with what became of its entities. */
export function judged(prediction: Prediction, pairs: readonly PairedEntity[]): Prediction {
  const { words, scores } = prediction;
  const told = (span: EntitySpan | null) =>
    span && { ...span, text: words.slice(span.start, span.end).join(' ') };
  const scored = (span: EntitySpan | null) => {
    const known = span && scores?.slice(span.start, span.end).filter((score) => score !== null);
    const score = known ? mean(known) : null;
    return span && { ...told(span)!, ...(score !== null && { score }) };
  };
  const entities = pairs.map(({ kind, gold, predicted }) => ({
    kind,
    gold: told(gold),
    predicted: scored(predicted),
  }));
  return { ...prediction, entities };
}

/** Where a sentence of a file stands: `file:line`. */
export function sourceOf({ file, line }: Pick<Sentence, 'file' | 'line'>): string {
  return line === undefined ? `${file}` : `${file}:${line}`;
}

/** Replaces a file of predictions, one a line, as a whole. @throws WRITE_FAILED */
export async function writePredictions(
  path: string,
  predictions: Iterable<Prediction> | AsyncIterable<Prediction>,
): Promise<void> {
  await writeStreamAtomic(path, chunksOf(predictions));
}

/**
 * Reads a file of predictions, whoever made them.
 *
 * @throws FILE_NOT_FOUND, and DATA_FORMAT naming file and line where a line is no prediction
 */
export async function readPredictions(path: string): Promise<Prediction[]> {
  const all: Prediction[] = [];
  for await (const prediction of predictionStream(path)) all.push(prediction);
  return all;
}

/** The same one by one, in constant memory. */
export async function* predictionStream(path: string): AsyncGenerator<Prediction> {
  const turns = new Turns();
  for await (const { lines, first } of readLineBlocks(path, { maxLineBytes: MAX_LINE_BYTES })) {
    for (const [index, line] of lines.entries()) {
      if (line.trim() !== '') yield parsePrediction(line, path, first + index);
      if (turns.areDue) await turns.take();
    }
  }
}

function parsePrediction(text: string, file: string, line: number): Prediction {
  const wrong = (what: string) =>
    new PermafrostError(
      'DATA_FORMAT',
      `${file}:${line}: expected {"source", "words", "gold", "predicted"} with a gold and a predicted tag for each ` +
        `word, ${what}. Let train or evaluate write the file, or complete it.`,
      { file, line },
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw wrong(`got ${(cause as Error).message}`);
  }
  const { success, data, error } = predictionSchema.safeParse(value);
  if (!success)
    throw wrong(`got at ${error.issues[0]!.path.join('.') || 'the line'}: ${error.issues[0]!.message}`);
  const [words, gold, predicted] = [data.words, data.gold, data.predicted].map(({ length }) => length);
  if (gold !== words || predicted !== words)
    throw wrong(`got ${words} words, ${gold} gold and ${predicted} predicted tags`);
  const { source = `${file}:${line}`, scores, ...known } = data;
  if (scores !== undefined && scores.length !== words)
    throw wrong(`got ${words} words and ${scores.length} scores`);
  return { source, ...known, ...(scores && { scores }) };
}

async function* chunksOf(
  predictions: Iterable<Prediction> | AsyncIterable<Prediction>,
): AsyncGenerator<Uint8Array> {
  let lines: string[] = [];
  for await (const { source, words, gold, predicted, scores, entities } of predictions) {
    const told = { source, words, gold, predicted, ...(scores && { scores }), ...(entities && { entities }) };
    lines.push(`${JSON.stringify(told)}\n`);
    if (lines.length < LINES_A_CHUNK) continue;
    yield Buffer.from(lines.join(''), 'utf8');
    lines = [];
  }
  yield Buffer.from(lines.join(''), 'utf8');
}
