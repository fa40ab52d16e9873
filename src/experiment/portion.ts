import type { EncodedDataset, EncodedSplits } from '../contract/encoded-dataset.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { digestOf, digestSentences } from '../io/digest.js';
import { Random } from '../io/random.js';
import { inTurns } from '../io/turns.js';
import { type EncodeDatasetOptions, encodeSteps } from '../text/encode.js';
import { encodingDirectory, keptEncoding } from '../text/kept-encoding.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { factsOf, type Splits } from './dataset-source.js';
import type { RunRecord } from './run-record.js';
import type { Portion } from './scenario.js';

/** Splits of data, and what a record says of them. */
export interface DescribedSplits {
  splits: Splits;
  data: RunRecord['data'];
}

/**
 * The splits that a portion leaves. Their order comes from the digest of the sentences alone, so that every seed and
 * scenario has the same ones.
 *
 * @returns the whole where the portion takes nothing away; the digest of the data stays that of the whole.
 * @throws INVALID_OPTION where there are fewer sentences than asked for.
 */
export function takePortion(whole: DescribedSplits, { trainSize, fold }: Portion): DescribedSplits {
  let { splits, data } = whole;
  if (fold !== undefined) splits = { ...splits, ...foldOf(splits, fold) };
  if (trainSize !== undefined) splits = { ...splits, train: firstOf(splits.train, trainSize) };
  if (splits.train !== whole.splits.train) data = { ...data, train: factsOf(splits.train) };
  if (splits.validation !== whole.splits.validation)
    data = { ...data, validation: factsOf(splits.validation) };
  return { splits, data };
}

/** Sentences so many, in the order of the data: those of a smaller number are among those of a larger one. */
function firstOf(sentences: readonly Sentence[], size: number): Sentence[] {
  if (size > sentences.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`trainSizes\`: expected at most the ${sentences.length} training sentences that there are, got ${size}. ` +
        '"all" takes every one.',
      { option: 'trainSizes', expected: sentences.length, got: size },
    );
  }
  return shuffled(sentences, 'train size')
    .slice(0, size)
    .sort((a, b) => a - b)
    .map((index) => sentences[index]!);
}

/** Every sentence of training and validation data is measured on in one of the folds. */
function foldOf(
  { train, validation }: Splits,
  { index, of }: NonNullable<Portion['fold']>,
): Pick<Splits, 'train' | 'validation'> {
  const all = [...train, ...validation];
  if (of > all.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`folds\`: expected at most the ${all.length} sentences of training and validation data, got ${of}.`,
      { option: 'folds', expected: all.length, got: of },
    );
  }
  const isMeasured = new Array<boolean>(all.length);
  for (const [position, sentence] of shuffled(all, 'folds').entries())
    isMeasured[sentence] = position % of === index - 1;
  return {
    train: all.filter((_, sentence) => !isMeasured[sentence]),
    validation: all.filter((_, sentence) => isMeasured[sentence]),
  };
}

/** Indices of the sentences in an order that hangs on their words and tags. */
function shuffled(sentences: readonly Sentence[], purpose: string): number[] {
  const seed = Number.parseInt(digestSentences(sentences).slice(0, 12), 16);
  return new Random(seed, purpose).shuffle(sentences.map((_, index) => index));
}

/** How sentences become examples. */
export interface EncodingSettings {
  labels: readonly string[];
  tokenizer: Tokenizer;
  encoding: EncodeDatasetOptions & { maxLength: number };
  /** Whether encodings of the whole are kept on disk for later commands on the same data. */
  keep: boolean;
}

/** The data that a scenario has. */
export interface DataPortion extends DescribedSplits {
  /** The splits encoded, at the first call. */
  encoded(): Promise<EncodedSplits>;
  /** A test set that has a name, encoded at the first call. */
  encodedTest(name: string): Promise<EncodedDataset>;
}

/**
 * The portions of one data set. Equal portions are one object, and sentences that portions share are encoded once, so
 * that runs share what is kept for them.
 */
export class DataPortions {
  readonly #whole: DescribedSplits;
  readonly #encoding: EncodingSettings;
  readonly #portions = new Map<string, DataPortion>();
  readonly #encoded = new Map<readonly Sentence[], Promise<EncodedDataset>>();

  constructor(whole: DescribedSplits, encoding: EncodingSettings) {
    this.#whole = whole;
    this.#encoding = encoding;
  }

  /** @throws INVALID_OPTION where there are fewer sentences than asked for */
  of({ trainSize, fold }: Portion): DataPortion {
    const torn = trainSize !== undefined ? 'trainSizes' : fold !== undefined ? 'folds' : null;
    if (torn !== null) requireNoContext(this.#encoding.encoding, torn);
    const key = JSON.stringify([trainSize, fold]);
    const found = this.#portions.get(key) ?? this.#take({ trainSize, fold });
    this.#portions.set(key, found);
    return found;
  }

  #take(portion: Portion): DataPortion {
    const { splits, data } = takePortion(this.#whole, portion);
    const encode = (sentences: readonly Sentence[], { digest }: { digest: string }) => {
      const found = this.#encoded.get(sentences) ?? this.#encode(sentences, digest);
      this.#encoded.set(sentences, found);
      return found;
    };
    return {
      splits,
      data,
      encoded: async () => ({
        train: await encode(splits.train, data.train),
        validation: await encode(splits.validation, data.validation),
        test: splits.test && (await encode(splits.test, data.test!)),
      }),
      encodedTest: (name) => encode(splits.tests[name]!, data.tests[name]!),
    };
  }

  async #encode(sentences: readonly Sentence[], data: string): Promise<EncodedDataset> {
    const { labels, tokenizer, encoding, keep } = this.#encoding;
    const run = () => inTurns(encodeSteps(sentences, tokenizer, new LabelSet(labels), encoding));
    const { train, validation, test, tests } = this.#whole.splits;
    const isWhole = [train, validation, test, ...Object.values(tests)].includes(sentences as Sentence[]);
    const documents = encoding.contextTokens ? { documents: documentsOf(sentences) } : {};
    const key = { data, tokenizer: tokenizer.digest, labels, ...encoding, ...documents };
    const directory = keep && isWhole ? encodingDirectory() : null;
    return directory === null ? run() : keptEncoding(directory, key, run);
  }
}

/** Where documents begin, which digests of words and tags do not tell. */
function documentsOf(sentences: readonly Sentence[]): string {
  return digestOf(sentences.map(({ file, document }) => [file, document]));
}

/**
 * Sentences that are drawn by chance are without those that stood around them.
 *
 * @param by option that draws them.
 * @throws INVALID_OPTION where sentences are to have context
 */
export function requireNoContext({ contextTokens = 0 }: EncodeDatasetOptions, by: string): void {
  if (contextTokens === 0) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`contextTokens\` ${contextTokens}: \`${by}\` draws single sentences, which tears documents apart. Give \`train\` ` +
      'and `validation` as files of whole documents, or leave one of the two out.',
    { option: 'contextTokens', got: contextTokens },
  );
}
