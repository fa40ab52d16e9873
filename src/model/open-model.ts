import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import type { NativeParameter } from '../native/addon.js';
import { Engine } from '../native/engine.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { architectureOf } from './architectures.js';
import { listCheckpoint, loadTensors, planLoading } from './checkpoint.js';
import { type HuggingFaceConfig, huggingFaceEncoder, readConfigFile } from './config.js';
import type { ModelParts } from './encoder-model.js';
import { type HeadName, headOf, isLabelHead } from './heads.js';
import { keepLabelRows } from './label-rows.js';
import { locateModel } from './locate-model.js';
import { findTokenizer } from './model-directory.js';
import type { ParsedCreateOptions, ParsedDeviceOptions, ParsedLoadOptions } from './options.js';
import type { StoredTensor } from './safetensors.js';

/** Weights that any machine has room for. */
const SMALL_MODEL = 100_000_000;

/** What becomes of a checkpoint's head: it is taken as it is, label by label, or not at all. */
export type HeadSource = 'stored' | 'by-label' | 'fresh';

/**
 * The parts of a model that is read from a directory; what the checkpoint lacks is drawn from the seed.
 *
 * @param name directory, or the name of a model of the Hub.
 * @param labels label of each id, for a head that has labels. @default those of the configuration
 * @param headSource what becomes of the checkpoint's head, given its configuration.
 */
export async function loadParts(
  head: HeadName,
  name: string,
  { labels: _labels, lowercase, hub, signal, ...device }: ParsedLoadOptions,
  labels: string[] | undefined,
  headSource: (config: HuggingFaceConfig) => HeadSource,
): Promise<ModelParts> {
  signal?.throwIfAborted();
  const { directory } = await locateModel(name, { ...hub, ...(signal && { signal }) });
  const configFile = join(directory, 'config.json');
  const huggingFaceConfig = await readConfigFile(configFile);
  const config = huggingFaceEncoder(huggingFaceConfig, configFile, labels);
  const tensors = await listCheckpoint(directory);
  checkSize(config, configFile, tensors);
  const tokenizer = await findTokenizer(directory, lowercase);
  if (tokenizer !== null) checkVocabulary(tokenizer, config, configFile, tensors);
  const source = headSource(huggingFaceConfig);
  return withEngine(device, head, config, async (engine, parameters) => {
    const architecture = architectureOf(config.modelType, configFile);
    const plan = planLoading(tensors, parameters, architecture, source !== 'stored');
    await loadTensors(engine, plan, signal);
    if (plan.fresh.length > 0) await engine.call((native) => native.initialise(device.seed, plan.fresh));
    const kept =
      source === 'by-label'
        ? await keepLabelRows(engine, tensors, parameters, { huggingFaceConfig, config })
        : null;
    const others = (names: string[]) => (kept ? names.filter((name) => !isLabelHead(name)) : names);
    const loadReport = { fresh: others(plan.fresh), unused: others(plan.unused), ...kept };
    return { engine, head, config, parameters, tokenizer, huggingFaceConfig, loadReport };
  });
}

/**
 * A configuration that is far larger than its weights would take all memory before it is found wrong.
 *
 * @throws WEIGHTS_MISMATCH
 */
function checkSize(config: EncoderConfig, configFile: string, tensors: readonly StoredTensor[]): void {
  const { vocabSize, maxPositions, typeVocabSize, embeddingSize, numLayers, hiddenSize, intermediateSize } =
    config;
  const described =
    (vocabSize + maxPositions + typeVocabSize) * embeddingSize +
    numLayers * hiddenSize * (4 * hiddenSize + 2 * intermediateSize);
  const held = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  if (described <= Math.max(2 * held, SMALL_MODEL)) return;
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${configFile} describes a model of at least ${count(described)} weights (${numLayers} layers of ${hiddenSize}, ` +
      `${vocabSize} tokens, ${typeVocabSize} token types), but ${tensors[0]?.file ?? 'the checkpoint'} holds ` +
      `${count(held)}. Take both from one model.`,
    { described, held },
  );
}

/**
 * A token that the embedding has no row for could not be computed, whichever text it first comes up in.
 *
 * @throws WEIGHTS_MISMATCH
 */
function checkVocabulary(
  { vocabSize, file }: Tokenizer,
  config: EncoderConfig,
  configFile: string,
  tensors: readonly StoredTensor[],
): void {
  if (vocabSize <= config.vocabSize) return;
  const weights = tensors.find(({ name }) => name.endsWith('word_embeddings.weight'))?.file ?? configFile;
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${file} has ${vocabSize} tokens, but the embedding in ${weights} has rows for ${config.vocabSize} (vocab_size of ` +
      `config.json). Take the tokenizer that the model was trained with, or give the embedding more rows ` +
      "(Transformers' resize_token_embeddings).",
    { tokenizer: file, weights, expected: config.vocabSize, got: vocabSize },
  );
}

const count = (n: number) => n.toLocaleString('en');

/** The parts of a model whose every weight is drawn from the seed. */
export async function createParts(
  head: HeadName,
  config: EncoderConfig,
  { tokenizer, ...device }: ParsedCreateOptions,
): Promise<ModelParts> {
  return withEngine(device, head, config, async (engine, parameters) => {
    await engine.call((native) => native.initialise(device.seed, []));
    const loadReport = { fresh: parameters.map(({ name }) => name), unused: [] };
    const parts = { engine, head, config, parameters, huggingFaceConfig: {}, loadReport };
    return { ...parts, tokenizer: tokenizer ?? null };
  });
}

/**
 * An engine with a model of the configuration, whose weights are still to be written.
 *
 * @param build completes the parts; where it fails, the engine is disposed of.
 */
async function withEngine(
  options: ParsedDeviceOptions,
  head: HeadName,
  config: EncoderConfig,
  build: (engine: Engine, parameters: NativeParameter[]) => Promise<ModelParts>,
): Promise<ModelParts> {
  const { labels: _labels, ...shape } = config;
  const engine = new Engine(options.threads);
  try {
    const parameters = await engine.call((native) =>
      native.createModel(
        { ...shape, head, numLabels: headOf(head).classes(config) },
        options.device,
        options.kernels,
        options.precision,
        options.tf32,
      ),
    );
    // What `auto` and `cuda` came to.
    engine.device = (await engine.call((native) => native.device())).name;
    return await build(engine, parameters);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
