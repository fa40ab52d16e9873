/** Words with one tag each (`O`, `B-x`, `I-x`), from a file or made by the caller. */
export interface Sentence {
  words: string[];
  tags: string[];
  /** File the sentence was read from. */
  file?: string;
  /** 1-based line of its first word in that file. */
  line?: number;
  /** Document of the file that it belongs to, where the file parts documents. */
  document?: string;
  /** What it counts for in the loss of a training, from 0, where it is passed over. @default 1 */
  weight?: number;
}
