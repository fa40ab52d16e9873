import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { pick } from '../errors/option-shape.js';
import type { HubOptions } from '../hub/snapshot.js';
import { digestOf, sha256File } from '../io/digest.js';
import { longestSequence } from '../model/architectures.js';
import { encoderConfig, readConfigFile } from '../model/config.js';
import { type LocatedModel, locateModel } from '../model/locate-model.js';
import { TokenClassifier } from '../model/token-classifier.js';
import { type TrainedWith, trainedWith } from '../model/trained-with.js';
import { Tokenizer, trainWordPiece } from '../text/tokenizer.js';
import { engineOptionsShape } from './model-options.js';
import type { Preset } from './presets/preset.js';
import type { ModelDescription, ModelShape } from './scenario.js';
import { encoderConfigOf, parseShape } from './shape.js';
import type { WorkspaceOptions } from './workspace-options.js';

type EngineOptions = Pick<WorkspaceOptions, keyof typeof engineOptionsShape>;

const DEFAULT_VOCAB_SIZE = 8000;

/** How a run gets its model. */
export interface CreateModelOptions {
  seed: number;
  labels: string[];
  head?: 'softmax' | 'crf';
  signal?: AbortSignal;
}

export interface ModelSource {
  description: ModelDescription;
  tokenizer: Tokenizer;
  numLayers: number;
  /** Tokens of the longest example that there are positions for. */
  positions: number;
  /** What it was fine-tuned with before. */
  trainedWith: TrainedWith | null;
  /** A model at its starting weights; the same weights for the same seed. The caller disposes of it. */
  create(options: CreateModelOptions): Promise<TokenClassifier>;
}

/**
 * Finds the model that the options name: a directory, or a fresh one of a shape.
 *
 * @param train sentences that a vocabulary is trained on where none is given.
 * @throws INVALID_OPTION where neither is named; FILE_NOT_FOUND, UNSUPPORTED_MODEL.
 */
export async function loadModelSource(
  options: WorkspaceOptions,
  preset: Preset | null,
  train: readonly Sentence[],
  hub: HubOptions = {},
): Promise<ModelSource> {
  if (options.model !== undefined) return checkpointSource(await locateModel(options.model, hub), options);
  if (options.shape !== undefined) {
    const shape = parseShape(options.shape);
    return freshSource(options.shape, shape, await findTokenizer(options, train), options);
  }
  if (preset?.model.kind !== 'bundled') throw missingModel(preset);
  for (const option of ['vocab', 'vocabSize'] as const) {
    if (options[option] !== undefined) throw fixedVocabulary(preset, option);
  }
  return checkpointSource(await locateModel(preset.model.directory, hub), options);
}

async function checkpointSource(
  { directory, name }: LocatedModel,
  options: WorkspaceOptions,
): Promise<ModelSource> {
  const file = join(directory, 'config.json');
  const huggingFace = await readConfigFile(file);
  const config = encoderConfig(huggingFace, file);
  const { numLayers } = config;
  const tokenizer = await Tokenizer.load(directory, lowercaseOption(options));
  return {
    description: {
      kind: 'checkpoint',
      name,
      digest: await checkpointDigest(directory),
      numLayers,
    },
    tokenizer,
    numLayers,
    positions: longestSequence(config),
    trainedWith: trainedWith(huggingFace),
    create: ({ seed, labels, head, signal }) =>
      TokenClassifier.load(directory, {
        labels,
        seed,
        ...(head && { head }),
        ...lowercaseOption(options),
        ...engineOptions(options),
        ...(signal && { signal }),
      }),
  };
}

function freshSource(
  name: string,
  shape: ModelShape,
  tokenizer: Tokenizer,
  options: WorkspaceOptions,
): ModelSource {
  return {
    description: { kind: 'fresh', name, shape },
    tokenizer,
    numLayers: shape.numLayers,
    positions: shape.maxPositions,
    trainedWith: null,
    create: ({ seed, labels, head }) =>
      TokenClassifier.create(encoderConfigOf(shape, tokenizer.vocabSize, tokenizer.padId, labels), {
        seed,
        ...(head && { head }),
        tokenizer,
        ...engineOptions(options),
      }),
  };
}

async function findTokenizer(options: WorkspaceOptions, train: readonly Sentence[]): Promise<Tokenizer> {
  if (options.vocab !== undefined) return Tokenizer.load(options.vocab, lowercaseOption(options));
  return trainWordPiece(
    train.flatMap((sentence) => sentence.words),
    {
      vocabSize: options.vocabSize ?? DEFAULT_VOCAB_SIZE,
      lowercase: options.lowercase ?? true,
      minFrequency: 2,
    },
  );
}

/** What of the options the tokenizer is told. */
export function lowercaseOption({ lowercase }: Pick<WorkspaceOptions, 'lowercase'>): { lowercase?: boolean } {
  return lowercase === undefined ? {} : { lowercase };
}

/** What of the options the engine is told. */
export function engineOptions(options: EngineOptions): EngineOptions {
  return pick(engineOptionsShape, options);
}

/** SHA-256 over config.json and every safetensors file, by name and content. */
export async function checkpointDigest(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter(
    (name) => name === 'config.json' || name.endsWith('.safetensors'),
  );
  const digests: [string, string][] = [];
  for (const name of names.sort()) {
    const file = join(directory, name);
    await access(file);
    digests.push([name, await sha256File(file)]);
  }
  return digestOf(digests);
}

function fixedVocabulary(preset: Preset, option: 'vocab' | 'vocabSize'): PermafrostError {
  return new PermafrostError(
    'INVALID_OPTION',
    `\`${option}\`: the model of \`preset\` ${preset.name} brings its own vocabulary. ` +
      'Give `shape` mini for a fresh model with another one.',
    { option },
  );
}

function missingModel(preset: Preset | null): PermafrostError {
  const wanted = preset
    ? `\`preset\` ${preset.name} needs ${preset.model.name}: give`
    : 'No model given: give';
  return new PermafrostError(
    'INVALID_OPTION',
    `${wanted} \`model\`, a directory (config.json, model.safetensors and vocab.txt or tokenizer.json, as Hugging Face ` +
      'writes them) or a name of the Hugging Face Hub, or `shape` mini, with `vocab` where there is one, for a fresh model ' +
      'with random weights.',
    { option: 'model' },
  );
}
