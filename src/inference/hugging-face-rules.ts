import type { Entity } from './entity.js';

/** Tokens of a text as Hugging Face's word rule looks at them. */
export interface TextTokens {
  text: string;
  /** The tokens' own text, `##` included, shape [T]. */
  tokens: readonly string[];
  /** UTF-16 offsets in `text`, shape [T]. */
  starts: ArrayLike<number>;
  ends: ArrayLike<number>;
}

export interface TokenizerFacts {
  /** Text of the unknown token. */
  unknown: string;
  /** Prefix of sub-tokens inside a word, null where the tokenizer has none. */
  continuingPrefix: string | null;
}

/**
 * Numbers of the words that Hugging Face's pipeline sees.
 *
 * Where the tokenizer has a prefix such as `##`, a token goes on with the word before it if its own length, the prefix
 * included, differs from that of its source; the unknown token never does. Elsewhere it does if no space stands
 * before it. Both go wrong where a token is shorter than its source (decomposed letters, soft hyphens), and the
 * latter at punctuation (pipelines/token_classification.py, `gather_pre_entities`).
 *
 * @returns shape [T], for {@link aggregate}
 */
export function huggingFaceWords(
  { text, tokens, starts, ends }: TextTokens,
  { unknown, continuingPrefix }: TokenizerFacts,
): Int32Array {
  const words = new Int32Array(tokens.length);
  let number = -1;
  for (const [token, own] of tokens.entries()) {
    const [start, end] = [starts[token]!, ends[token]!];
    const goesOn =
      own !== unknown &&
      (continuingPrefix !== null
        ? numCodePoints(own) !== numCodePoints(text.slice(start, end))
        : start > 0 && !text.slice(start - 1, start + 1).includes(' '));
    if (token === 0 || !goesOn) number++;
    words[token] = number;
  }
  return words;
}

/**
 * Settles overlaps between the entities of neighbouring windows as Hugging Face's pipeline does: the longer entity
 * stays, of equal ones the one with the higher score; the other is dropped as a whole.
 *
 * @returns entities sorted by their start
 */
export function huggingFaceOverlaps(entities: readonly Entity[]): Entity[] {
  const [first, ...rest] = [...entities].sort((a, b) => a.start - b.start);
  if (first === undefined) return [];
  const kept: Entity[] = [];
  let running = first;
  for (const next of rest) {
    if (next.start >= running.end) {
      kept.push(running);
      running = next;
      continue;
    }
    const [length, other] = [numCodePoints(running.text), numCodePoints(next.text)];
    if (other > length || (other === length && next.score > running.score)) running = next;
  }
  return [...kept, running];
}

function numCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
