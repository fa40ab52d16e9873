/** Words with one tag each (`O`, `B-x`, `I-x`), from a file or made by the caller. */
export interface Sentence {
  words: string[];
  tags: string[];
  /** File the sentence was read from. */
  file?: string;
  /** 1-based line of its first word in that file, or number of its row where the file has rows. */
  line?: number;
  /** Document of the file that it belongs to, where the file parts documents. */
  document?: string;
  /** Text that the words were cut from, where the file has text. */
  text?: string;
  /** Place of each word in `text`: `text.slice(start, end)`, in UTF-16 units. {@link placeOf} gives the file's own. */
  offsets?: readonly WordPlace[];
  /** Where `text` begins in the document that the file counts in, in the file's own units. @default 0 */
  textStart?: number;
  /** What the file's own offsets count. @default 'codepoints' */
  offsetUnit?: OffsetUnit;
  /** What it counts for in the loss of a training, from 0, where it is passed over. @default 1 */
  weight?: number;
}

/** First unit of a word, and the one behind its last. */
export type WordPlace = readonly [start: number, end: number];

/** What offsets count: characters of Unicode, as annotation tools do, or UTF-16 units, as JavaScript does. */
export type OffsetUnit = 'codepoints' | 'utf16';
