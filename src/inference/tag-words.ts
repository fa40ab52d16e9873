import { z } from 'zod';
import { LabelSet } from '../data/label-set.js';
import { parseOptions } from '../errors/option-error.js';
import { type Decoder, decoderOf, decodingOf, decodingShape } from '../evaluation/decoding.js';
import { encodingOf, tokenizerOf } from '../evaluation/encoding.js';
import { predictTags } from '../evaluation/evaluate.js';
import { OUTSIDE } from '../evaluation/token-metrics.js';
import {
  decodeWords,
  scoreTokens,
  type TokenScores,
  tagScores,
  wordScores,
} from '../evaluation/word-scores.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { encodeWordsDataset } from '../text/encode.js';
import { aggregate } from './aggregate.js';
import { aggregationSchema, answerShape, wordAnswerShape } from './options.js';
import { inIob2 } from './tagged-text.js';

const tagWordsShape = {
  /** Tokens that the model sees at once, special tokens included. @default as in training, or the model's positions if fewer */
  maxLength: z.int().min(3).optional(),
  /** Tokens of neighbouring rows that a row has on each side; a row without words parts documents. @default as in training */
  contextTokens: z.int().nonnegative().optional(),
  ...decodingShape,
  ...answerShape,
  ...wordAnswerShape,
  /** Also tells the entities, put together from the tokens in this way. @default none */
  aggregation: aggregationSchema.optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
};

const tagWordsSchema = z.strictObject(tagWordsShape);

/** What is told of words, and how they are read. */
export interface TagWordsOptions extends z.input<typeof tagWordsSchema> {}

/** A tag and its probability, from 0 to 1. */
export interface ScoredTag {
  tag: string;
  score: number;
}

/** An entity by the words that it is of. */
export interface WordEntity {
  type: string;
  /** Mean probability of its members, from 0 to 1. */
  score: number;
  /** Index of its first word, and of its last one. */
  first: number;
  last: number;
}

/** The tags of a row of words. */
export interface TaggedWords {
  /** One a word, that of its first token; `O` for the words of `empty`, and of entities below `minScore`. */
  tags: string[];
  /** Words of which the tokenizer leaves nothing, by their positions. */
  empty: number[];
  /** Words that are longer than a window by themselves, of which the model saw no more than the beginning. */
  cut: number[];
  /** With `scores`: the probability of each word's tag; null for the words of `empty`. */
  scores?: (number | null)[];
  /** With `alternatives`: the likeliest tags of each word, the likeliest first; none for the words of `empty`. */
  alternatives?: ScoredTag[][];
  /** With `aggregation`: the entities whose score is at least `minScore`, in order. */
  entities?: WordEntity[];
}

/**
 * Predicts a tag for every word of rows of any length, in windows where a row is longer than the model takes. Each word's
 * tag comes from the window in which it has more context.
 *
 * @throws INVALID_OPTION, also where the model has no tokenizer, or fewer positions than `maxLength`; `signal.reason` on
 *   abort
 */
export async function tagWords(
  model: TokenClassifier,
  rows: readonly (readonly string[])[],
  options: TagWordsOptions = {},
): Promise<TaggedWords[]> {
  const { signal, maxLength, contextTokens, ...answer } = parseOptions(tagWordsSchema, options, 'tagWords');
  const tokenizer = tokenizerOf(model);
  const encoding = encodingOf(model, { maxLength, contextTokens, longSentences: 'windows' });
  const dataset = encodeWordsDataset(rows, tokenizer, encoding);
  const room = encoding.maxLength - 2;
  const notes = rows.map((words) => {
    const counts = words.map((word) => tokenizer.wordPieces(word).length);
    const where = (isMeant: (count: number) => boolean) =>
      Array.from(counts.keys()).filter((word) => isMeant(counts[word]!));
    return { empty: where((count) => count === 0), cut: where((count) => count > room) };
  });
  const call = { ...(signal && { signal }) };
  const { scores, alternatives, aggregation, minScore, decoding } = answer;
  if (!scores && alternatives === undefined && aggregation === undefined && minScore === 0) {
    const { predicted } = await predictTags(model, dataset, { ...call, ...(decoding && { decoding }) });
    return rows.map((_, row) => ({ tags: predicted[row]!, ...notes[row]! }));
  }
  const [scored, decoder] = [
    await scoreTokens(model, dataset, call),
    await decoderOf(model, decodingOf(model, decoding)),
  ];
  return rows.map(({ length }, row) => ({
    ...tellWords(length, scored[row]!, model.labels, decoder, answer),
    ...notes[row]!,
  }));
}

type Answer = Pick<z.output<typeof tagWordsSchema>, 'scores' | 'alternatives' | 'aggregation' | 'minScore'>;

function tellWords(
  length: number,
  tokens: TokenScores,
  labels: readonly string[],
  decoder: Decoder | null,
  { scores, alternatives, aggregation, minScore }: Answer,
): Omit<TaggedWords, 'empty' | 'cut'> {
  const columns = labels.length;
  const words = wordScores(length, tokens, columns, decoder);
  const tags = Array.from(words.rows, (row) => (row < 0 ? OUTSIDE : labels[words.labels[row]!]!));
  const entities = entitiesOf(tokens, labels, 'first', decoder);
  for (const { first, last, score } of entities) {
    if (score < minScore) tags.fill(OUTSIDE, first, last + 1);
  }
  return {
    tags,
    ...(scores && { scores: tagScores(tags, words, new LabelSet(labels)) }),
    ...(alternatives !== undefined && {
      alternatives: Array.from(words.rows, (row) =>
        row < 0
          ? []
          : likeliest(words.probabilities.subarray(row * columns, (row + 1) * columns), labels, alternatives),
      ),
    }),
    ...(aggregation && {
      entities: (aggregation === 'first'
        ? entities
        : entitiesOf(tokens, labels, aggregation, decoder)
      ).filter(({ score }) => score >= minScore),
    }),
  };
}

function entitiesOf(
  { words, scores }: TokenScores,
  labels: readonly string[],
  strategy: NonNullable<Answer['aggregation']>,
  decoder: Decoder | null,
): WordEntity[] {
  const own = strategy === 'none' ? labels : labels.map(inIob2);
  const ends = words.map((word) => word + 1);
  return aggregate(
    { text: '', starts: words, ends, words, scores },
    {
      labels: own,
      strategy,
      ...(decoder && { decode: (rows) => decodeWords(rows, labels.length, decoder) }),
    },
  ).map(({ type, score, start, end }) => ({ type, score, first: start, last: end - 1 }));
}

/** @param row probabilities of the labels, shape [labels] */
function likeliest(row: Float32Array, labels: readonly string[], count: number): ScoredTag[] {
  const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
  return order.slice(0, count).map((label) => ({ tag: labels[label]!, score: row[label]! }));
}
