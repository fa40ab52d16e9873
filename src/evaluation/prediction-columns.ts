import { eachOf } from '../data/normalize.js';
import { readLineBlocks } from '../data/read-lines.js';
import { sentenceBlocks } from '../data/read-sentences.js';
import { PermafrostError } from '../errors/error.js';
import { type Prediction, sourceOf } from './predictions.js';

/** A word, its gold and its predicted tag. */
const LEAST_COLUMNS = 3;

/** The first line of a file that holds something; null where none does. */
export async function firstLine(path: string): Promise<string | null> {
  for await (const { lines } of readLineBlocks(path)) {
    const found = lines.find((line) => line.trim() !== '');
    if (found !== undefined) return found;
  }
  return null;
}

/**
 * Predictions in columns as conlleval takes them: the word first, the gold and the predicted tag last, sentences parted by
 * blank lines. Both come in IOB2, in constant memory.
 *
 * @param line one that has all columns.
 * @throws DATA_FORMAT for fewer than three columns, and as `readSentences` does
 */
export async function* columnPredictions(path: string, line: string): AsyncGenerator<Prediction> {
  const columns = line.includes('\t') ? line.split('\t').length : line.trim().split(/ +/).length;
  if (columns < LEAST_COLUMNS) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${path}: expected JSON lines with words, gold and predicted, or columns with a word first and its gold and predicted ` +
        `tag last, got ${columns} in ${JSON.stringify(line)}.`,
      { file: path, columns },
    );
  }
  const read = (tagColumn: number) => eachOf(sentenceBlocks(path, { tokenColumn: 0, tagColumn }));
  const others = read(columns - 1);
  for await (const sentence of read(columns - 2)) {
    const { words, tags: gold } = sentence;
    const { tags: predicted } = (await others.next()).value!;
    yield { source: sourceOf(sentence), words, gold, predicted };
  }
}
