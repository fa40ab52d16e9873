import type { Random } from '../../io/random.js';
import type { Sentence } from '../sentence.js';

/** How often a text is disturbed, as probabilities. */
export interface NoiseOptions {
  /** A word of at least four letters is misspelt. */
  typo: number;
  /** The final stop is missing. */
  missingStop: number;
  /** A word outside entities is written twice. */
  repeatedWord: number;
}

const LETTERS = /^\p{L}{4,}$/u;

/** Returns a copy with misspelt and doubled words and missing final stops; the tags stay right. */
export function addNoise(sentence: Sentence, random: Random, options: NoiseOptions): Sentence {
  const words: string[] = [];
  const tags: string[] = [];
  const last = sentence.words.length - 1;
  sentence.words.forEach((word, i) => {
    const tag = sentence.tags[i]!;
    if (i === last && i > 0 && word === '.' && random.next() < options.missingStop) return;
    words.push(LETTERS.test(word) && random.next() < options.typo ? misspell(word, random) : word);
    tags.push(tag);
    if (tag === 'O' && LETTERS.test(word) && random.next() < options.repeatedWord) {
      words.push(word);
      tags.push(tag);
    }
  });
  return { words, tags };
}

/** Swaps two neighbouring letters, drops one or doubles one; the first letter stays. */
function misspell(word: string, random: Random): string {
  const at = 1 + random.int(word.length - 2);
  const kind = random.int(3);
  if (kind === 0) return word.slice(0, at) + word[at + 1]! + word[at]! + word.slice(at + 2);
  if (kind === 1) return word.slice(0, at) + word.slice(at + 1);
  return word.slice(0, at) + word[at]! + word.slice(at);
}
