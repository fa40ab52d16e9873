import type { ReadingNotes } from './reading-notes.js';

/** What the caller of a reader wants beside the sentences. */
export interface Reading {
  /** Takes what is changed or left out. */
  notes?: ReadingNotes;
  /**
   * `ignored` reads words alone, in one pass over the file: tags may be missing or malformed, and every word's is O.
   * @default 'required'
   */
  tags?: 'required' | 'ignored';
}
