import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { writeStreamAtomic } from '../io/atomic-write.js';

/** A sentence with the tags that a model gave it; a line of `predictions/validation.jsonl` and `test.jsonl`. */
export interface Prediction {
  /** `file:line` of its first word; the name of the split and its number from 1 where it is of no file. */
  source: string;
  words: readonly string[];
  /** Tag of each word as the data have it. */
  gold: readonly string[];
  /** Tag of each word as the model has it; `O` where it did not see the word. */
  predicted: readonly string[];
}

const tags = z.array(z.string());
const predictionSchema = z.object({ source: z.string(), words: tags, gold: tags, predicted: tags });

/** Lines that go to the disk together. */
const LINES_A_CHUNK = 1000;

/**
 * Puts sentences and the tags that a model gave them side by side.
 *
 * @param split names sentences that are of no file.
 * @param predicted tag of each word, shape [sentences][words].
 */
export function* predictionsOf(
  split: string,
  sentences: readonly Sentence[],
  predicted: readonly (readonly string[])[],
): Generator<Prediction> {
  for (const [index, sentence] of sentences.entries()) {
    const source = sentence.file === undefined ? `${split}:${index + 1}` : sourceOf(sentence);
    yield { source, words: sentence.words, gold: sentence.tags, predicted: predicted[index]! };
  }
}

/** Where a sentence of a file stands: `file:line`. */
export function sourceOf({ file, line }: Pick<Sentence, 'file' | 'line'>): string {
  return line === undefined ? `${file}` : `${file}:${line}`;
}

/** Replaces a file of predictions, one a line, as a whole. @throws WRITE_FAILED */
export async function writePredictions(path: string, predictions: Iterable<Prediction>): Promise<void> {
  await writeStreamAtomic(path, chunksOf(predictions));
}

/**
 * Reads a file of predictions.
 *
 * @throws FILE_NOT_FOUND, and DATA_FORMAT naming file and line where a line is no prediction
 */
export async function readPredictions(path: string): Promise<Prediction[]> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `${path}: the predictions cannot be read (${cause.code}). Train again, or let evaluate write them.`,
      { file: path },
      { cause },
    );
  });
  return text
    .split('\n')
    .flatMap((line, index) => (line === '' ? [] : [parsePrediction(line, path, index + 1)]));
}

function parsePrediction(text: string, file: string, line: number): Prediction {
  const wrong = (what: string) =>
    new PermafrostError(
      'DATA_FORMAT',
      `${file}:${line}: expected {"source", "words", "gold", "predicted"} with a gold and a predicted tag for each ` +
        `word, ${what}. Train again, or let evaluate write the file.`,
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
  return data;
}

function* chunksOf(predictions: Iterable<Prediction>): Generator<Uint8Array> {
  let lines: string[] = [];
  for (const { source, words, gold, predicted } of predictions) {
    lines.push(`${JSON.stringify({ source, words, gold, predicted })}\n`);
    if (lines.length < LINES_A_CHUNK) continue;
    yield Buffer.from(lines.join(''), 'utf8');
    lines = [];
  }
  yield Buffer.from(lines.join(''), 'utf8');
}
