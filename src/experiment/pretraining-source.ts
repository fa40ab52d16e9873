import { basename, join, resolve } from 'node:path';
import { readSentences } from '../data/read-sentences.js';
import { readText } from '../data/read-text.js';
import { PermafrostError } from '../errors/error.js';
import { Random } from '../io/random.js';
import { encoderConfig, readConfigFile } from '../model/config.js';
import { MaskedLanguageModel } from '../model/masked-language-model.js';
import { stackLayers } from '../model/stack-layers.js';
import { Tokenizer, trainWordPiece } from '../text/tokenizer.js';
import { checkpointDigest, engineOptions, lowercaseOption } from './model-source.js';
import type { PretrainingOptions } from './pretraining-options.js';
import type { ModelDescription } from './scenario.js';
import { encoderConfigOf, parseShape } from './shape.js';

const DEFAULT_VALIDATION_SHARE = 5;
const DEFAULT_VOCAB_SIZE = 8000;
const DEFAULT_SEED = 42;

/** Text as rows of words. */
export interface PretrainingText {
  train: string[][];
  validation: string[][];
}

export interface PretrainingModel {
  description: ModelDescription;
  tokenizer: Tokenizer;
  /** The model at its starting weights; the caller disposes of it. */
  create(signal?: AbortSignal): Promise<MaskedLanguageModel>;
}

/**
 * Reads the text that the options name, and holds out what the loss is measured on.
 *
 * @throws INVALID_OPTION where too little is left to hold out from; FILE_NOT_FOUND, DATA_FORMAT from the files.
 */
export async function readPretrainingText(options: PretrainingOptions): Promise<PretrainingText> {
  const read = options.text === undefined ? readWords : readText;
  const rows: string[][] = [];
  for (const file of options.text ?? options.data!) rows.push(...(await read(file, options)));
  if (options.validation !== undefined) {
    return { train: rows, validation: await read(options.validation, options) };
  }
  const share = options.validationShare ?? DEFAULT_VALIDATION_SHARE;
  const held = Math.max(1, Math.round((rows.length * share) / 100));
  if (held >= rows.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `The text has ${rows.length} rows, too few to hold out ${share}% for validation. Give a file as \`validation\`.`,
      { option: 'validationShare', rows: rows.length },
    );
  }
  const order = new Random(options.seed ?? DEFAULT_SEED, 'holdout').shuffle(rows.map((_, index) => index));
  const heldOut = new Set(order.slice(0, held));
  return {
    train: rows.filter((_, index) => !heldOut.has(index)),
    validation: rows.filter((_, index) => heldOut.has(index)),
  };
}

async function readWords(file: string, { tokenColumn }: PretrainingOptions): Promise<string[][]> {
  const sentences = await readSentences(file, tokenColumn === undefined ? {} : { tokenColumn }, {
    tags: 'ignored',
  });
  if (sentences.length > 0) return sentences.map(({ words }) => words);
  throw new PermafrostError('DATA_FORMAT', `${file}: expected sentences, got a file without a word.`, {
    file,
  });
}

/**
 * Finds the model that the options name: a directory to go on from, or a fresh one with a vocabulary that is given or
 * learnt from the text.
 *
 * @throws INVALID_OPTION where the text does not have as many pieces as the vocabulary should; FILE_NOT_FOUND,
 *   DATA_FORMAT, UNSUPPORTED_MODEL.
 */
export async function findPretrainingModel(
  options: PretrainingOptions,
  { train }: PretrainingText,
): Promise<PretrainingModel> {
  const seed = options.seed ?? DEFAULT_SEED;
  const engine = { seed, ...engineOptions(options) };
  if (options.model !== undefined) {
    const directory = options.model;
    const configFile = join(directory, 'config.json');
    const { numLayers } = encoderConfig(await readConfigFile(configFile), configFile, []);
    return {
      description: {
        kind: 'checkpoint',
        name: basename(resolve(directory)),
        digest: await checkpointDigest(directory),
        numLayers,
      },
      tokenizer: await Tokenizer.load(directory, lowercaseOption(options)),
      async create(signal) {
        const model = await MaskedLanguageModel.load(directory, {
          ...engine,
          ...lowercaseOption(options),
          ...(signal && { signal }),
        });
        if (options.stack === undefined) return model;
        try {
          return await stackLayers(model, options.stack, engine);
        } finally {
          await model.dispose();
        }
      },
    };
  }
  const name = options.shape ?? 'mini';
  const shape = parseShape(name);
  const tokenizer = options.vocab
    ? await Tokenizer.load(options.vocab, lowercaseOption(options))
    : learnTokenizer(options, train);
  const { labels: _labels, ...config } = encoderConfigOf(shape, tokenizer.vocabSize, tokenizer.padId, []);
  return {
    description: { kind: 'fresh', name, shape },
    tokenizer,
    create: () => MaskedLanguageModel.create(config, { ...engine, tokenizer }),
  };
}

function learnTokenizer(options: PretrainingOptions, train: string[][]): Tokenizer {
  const { vocabSize = DEFAULT_VOCAB_SIZE, minFrequency = 2, lowercase = true } = options;
  const tokenizer = trainWordPiece(words(train), { vocabSize, minFrequency, lowercase });
  if (tokenizer.vocabSize === vocabSize) return tokenizer;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`vocabSize\`: the text gives a vocabulary of ${tokenizer.vocabSize} tokens with a minimum frequency of ` +
      `${minFrequency}, not the ${vocabSize} asked for. Ask for at most that many, lower \`minFrequency\`, or give more text.`,
    { option: 'vocabSize', expected: vocabSize, got: tokenizer.vocabSize },
  );
}

function* words(rows: readonly (readonly string[])[]): Generator<string> {
  for (const row of rows) yield* row;
}
