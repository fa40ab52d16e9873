import { Random } from '../../io/random.js';
import type { Sentence } from '../sentence.js';
import { englishGrammar } from './english.js';
import type { Draw, Grammar } from './grammar.js';
import { kazakhGrammar } from './kazakh.js';
import { addNoise, type NoiseOptions } from './noise.js';

/** A corpus that the project generates. */
export type CorpusName = 'demo' | 'demo-kk';

/** Numbers of sentences. */
export interface CorpusSizes {
  train: number;
  validation: number;
  test: number;
}

export interface CorpusOptions {
  /** Fixes every word of the corpus. */
  seed: number;
  /** @default { train: 1200, validation: 300, test: 300 } */
  sizes?: CorpusSizes;
}

export interface StreamOptions {
  /** Probability, 0 to 1, that a name is made up. @default 0.2 */
  novelty?: number;
  /** Whether made-up names are those that only held-out text has. @default false */
  heldOut?: boolean;
}

/** A generated corpus in three splits; about half of the entities held out contain a word new to `train`. */
export interface Corpus {
  train: Sentence[];
  validation: Sentence[];
  test: Sentence[];
}

interface Language {
  grammar: () => Grammar;
  maxWords: number;
  /** Novelty of the held-out splits. */
  heldOutNovelty: number;
}

export const DEFAULT_CORPUS_SIZES: Readonly<CorpusSizes> = { train: 1200, validation: 300, test: 300 };

/** Part of the names in train that are made up: they teach that a name need not be a known one. */
const TRAIN_NOVELTY = 0.2;
const NOISE: NoiseOptions = { typo: 0.006, missingStop: 0.03, repeatedWord: 0.002 };
/** Draws in search of a rare type before the train split goes without it. */
const MAX_TOP_UP_DRAWS = 100_000;

const LANGUAGES: Readonly<Record<CorpusName, Language>> = {
  demo: {
    grammar: englishGrammar,
    maxWords: 50,
    heldOutNovelty: 0.45,
  },
  'demo-kk': {
    grammar: kazakhGrammar,
    maxWords: 45,
    heldOutNovelty: 0.6,
  },
};

/**
 * Generates the corpus of a preset, the same on every platform for the same seed and sizes.
 *
 * Text is lower case with IOB2 tags. No sentence of validation or test occurs in train. Where the size of
 * train allows it, train holds every entity type of the language.
 */
export function generateCorpus(
  name: CorpusName,
  { seed, sizes = DEFAULT_CORPUS_SIZES }: CorpusOptions,
): Corpus {
  const grammar = LANGUAGES[name].grammar();
  const { heldOutNovelty } = LANGUAGES[name];
  const seen = new Set<string>();
  const open = (split: keyof Corpus, novelty: number, heldOut: boolean) =>
    distinct(sentences(name, grammar, new Random(seed, `${name}/${split}`), { novelty, heldOut }), seen);
  const trainStream = open('train', TRAIN_NOVELTY, false);
  const train = take(trainStream, sizes.train);
  topUpTypes(train, trainStream, entityTypes(grammar));
  return {
    train,
    validation: take(open('validation', heldOutNovelty, true), sizes.validation),
    test: take(open('test', heldOutNovelty, true), sizes.test),
  };
}

/**
 * Yields sentences of a preset's language without end, for a seed of its own stream; sentences may repeat.
 *
 * By default it never holds a name that only the held-out splits have, so a model pretrained on it still
 * meets unseen names there.
 */
export function corpusStream(
  name: CorpusName,
  seed: number,
  { novelty = TRAIN_NOVELTY, heldOut = false }: StreamOptions = {},
): Generator<Sentence, never> {
  const random = new Random(seed, `${name}/stream`);
  return sentences(name, LANGUAGES[name].grammar(), random, { novelty, heldOut });
}

function* sentences(
  name: CorpusName,
  grammar: Grammar,
  random: Random,
  names: Omit<Draw, 'random'>,
): Generator<Sentence, never> {
  const { maxWords } = LANGUAGES[name];
  const draw: Draw = { random, ...names };
  for (;;) {
    const sentence = grammar.expand('sentence', draw);
    if (sentence.words.length <= maxWords) yield addNoise(sentence, random, NOISE);
  }
}

function* distinct(source: Iterable<Sentence>, seen: Set<string>): Generator<Sentence, void> {
  for (const sentence of source) {
    const key = sentence.words.join(' ');
    if (seen.has(key)) continue;
    seen.add(key);
    yield sentence;
  }
}

function take(source: Iterator<Sentence>, count: number): Sentence[] {
  return Array.from({ length: count }, () => source.next().value as Sentence);
}

/** All entity types that the grammar can produce, by code point. */
function entityTypes(grammar: Grammar): string[] {
  return [...grammar.entityTypes()].sort();
}

/** Puts a sentence of each missing type in the place of a sentence without entities, from the end. */
function topUpTypes(train: Sentence[], source: Iterator<Sentence>, types: readonly string[]): void {
  const has = (sentence: Sentence, type: string) => sentence.tags.includes(`B-${type}`);
  const plain = train.flatMap(({ tags }, i) => (tags.every((tag) => tag === 'O') ? [i] : []));
  for (const type of types) {
    if (train.some((sentence) => has(sentence, type))) continue;
    const place = plain.pop();
    if (place === undefined) return;
    for (let i = 0; i < MAX_TOP_UP_DRAWS; i++) {
      const sentence = source.next().value as Sentence;
      if (!has(sentence, type)) continue;
      train[place] = sentence;
      break;
    }
  }
}
