import { Turns } from '../io/turns.js';
import type { RawSentence } from './normalize.js';
import type { LineBlock } from './read-lines.js';

/** Between how many lines others may have a turn. */
const LINES_A_STEP = 256;

/** Gathers the lines of a file into sentences. */
export interface RowReader {
  /** @returns the sentence that ends with this line */
  take(line: string, number: number): RawSentence | null;
  /** @returns the sentence that ends with the file */
  finish(): RawSentence | null;
  /** Called behind the last sentence. @throws DATA_FORMAT for a file that lacks what it should have */
  complete?(): void;
}

/**
 * Reads blocks of lines by a reader that the first of them tell how to make.
 *
 * @param open gives the reader and where its lines begin in the block; null where the block tells nothing.
 */
export async function* readRows(
  blocks: AsyncIterable<LineBlock>,
  open: (block: LineBlock) => { reader: RowReader; begin: number } | null,
): AsyncGenerator<RawSentence[]> {
  const turns = new Turns();
  let reader: RowReader | null = null;
  for await (const block of blocks) {
    let begin = 0;
    if (reader === null) {
      const opened = open(block);
      if (opened === null) continue;
      ({ reader, begin } = opened);
    }
    const { lines, first } = block;
    const finished: RawSentence[] = [];
    for (let i = begin; i < lines.length; i++) {
      const sentence = reader.take(lines[i]!, first + i);
      if (sentence !== null) finished.push(sentence);
      if (i % LINES_A_STEP === 0 && turns.areDue) await turns.take();
    }
    yield finished;
  }
  const last = reader?.finish() ?? null;
  if (last !== null) yield [last];
  reader?.complete?.();
}
