import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { cacheDirectory } from '../io/cache-directory.js';
import type { NativeConfig, NativeParameter } from '../native/addon.js';
import { Engine } from '../native/engine.js';
import { architectureOf } from './architectures.js';
import { warnWithoutBf16Instructions } from './bf16-instructions.js';
import { loadTensors, planLoading } from './checkpoint.js';
import { type HuggingFaceConfig, huggingFaceEncoder, readConfigFile } from './config.js';
import type { ModelParts } from './encoder-model.js';
import { grownVocabulary } from './grown-vocabulary.js';
import { type HeadName, hasChain, headOf, isChain, isLabelHead } from './heads.js';
import { keepLabelRows } from './label-rows.js';
import { locateModel } from './locate-model.js';
import { matmulOf } from './matmul.js';
import { findTokenizer } from './model-directory.js';
import type { ParsedCreateOptions, ParsedDeviceOptions, ParsedLoadOptions } from './options.js';
import { listCheckpoint } from './weights/list-checkpoint.js';
import type { StoredTensor } from './weights/stored-tensor.js';

/** What becomes of a checkpoint's head: it is taken as it is, label by label, or not at all. */
export type HeadSource = 'stored' | 'by-label' | 'fresh';

/**
 * The parts of a model that is read from a directory; what the checkpoint lacks is drawn from the seed.
 *
 * @param headFor the head, given whether the checkpoint has a chain.
 * @param name directory, or the name of a model of the Hub.
 * @param labels label of each id, for a head that has labels. @default those of the configuration
 * @param headSource what becomes of the checkpoint's head, given its configuration.
 */
export async function loadParts(
  headFor: (hasChain: boolean) => HeadName,
  name: string,
  { labels: _labels, lowercase, hub, signal, ...device }: ParsedLoadOptions,
  labels: string[] | undefined,
  headSource: (config: HuggingFaceConfig) => HeadSource,
): Promise<ModelParts> {
  signal?.throwIfAborted();
  const { directory } = await locateModel(name, { ...hub, ...(signal && { signal }) });
  const configFile = join(directory, 'config.json');
  const huggingFaceConfig = await readConfigFile(configFile);
  const stated = huggingFaceEncoder(huggingFaceConfig, configFile, labels);
  const tensors = await listCheckpoint(directory);
  checkLayers(stated, configFile, tensors);
  const tokenizer = await findTokenizer(directory, lowercase);
  // A token that the embedding has no row for could not be computed, whichever text it first comes up in.
  const grown = tokenizer && grownVocabulary(tokenizer, stated, configFile, tensors);
  const config = grown ? { ...stated, vocabSize: grown.size } : stated;
  const source = headSource(huggingFaceConfig);
  const head = headFor(hasChain(tensors));
  const architecture = architectureOf(config.modelType, configFile);
  return withEngine(device, async (engine) => {
    // Nothing is allocated before the checkpoint is known to cover it.
    const described = await engine.call((native) => native.describeModel(nativeConfig(head, config)));
    const plan = planLoading(tensors, described, architecture, { freshHead: source !== 'stored', grown });
    const parameters = await createModel(engine, head, config, device);
    const drawn = [...plan.fresh, ...plan.grown];
    if (drawn.length > 0) await engine.call((native) => native.initialise(device.seed, drawn));
    await loadTensors(engine, plan, signal);
    const kept =
      source === 'by-label'
        ? await keepLabelRows(engine, tensors, parameters, { huggingFaceConfig, config })
        : null;
    const others = (names: string[]) =>
      kept ? names.filter((name) => !isLabelHead(name) || isChain(name)) : names;
    const loadReport = {
      fresh: others(plan.fresh),
      unused: others(plan.unused),
      ...kept,
      ...(grown && { freshTokens: grown.tokens }),
    };
    return { engine, head, config, parameters, tokenizer, huggingFaceConfig, loadReport };
  });
}

/**
 * Every layer has tensors of its own: what lists more layers than there are tensors would be listed for minutes.
 *
 * @throws WEIGHTS_MISMATCH
 */
function checkLayers(
  { numLayers }: EncoderConfig,
  configFile: string,
  tensors: readonly StoredTensor[],
): void {
  if (numLayers <= tensors.length) return;
  const weights = tensors[0]?.file ?? 'the checkpoint';
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${configFile} describes ${numLayers} layers, but ${weights} holds no more than ${tensors.length} tensors. Take both ` +
      'from one model.',
    { layers: numLayers, tensors: tensors.length },
  );
}

/** The parts of a model whose every weight is drawn from the seed. */
export async function createParts(
  head: HeadName,
  config: EncoderConfig,
  { tokenizer, ...device }: ParsedCreateOptions,
): Promise<ModelParts> {
  return withEngine(device, async (engine) => {
    const parameters = await createModel(engine, head, config, device);
    await engine.call((native) => native.initialise(device.seed, []));
    const loadReport = { fresh: parameters.map(({ name }) => name), unused: [] };
    const parts = { engine, head, config, parameters, huggingFaceConfig: {}, loadReport };
    return { ...parts, tokenizer: tokenizer ?? null };
  });
}

/** @param build makes a model with the engine; where it fails, the engine is disposed of. */
async function withEngine(
  { threads }: ParsedDeviceOptions,
  build: (engine: Engine) => Promise<ModelParts>,
): Promise<ModelParts> {
  const engine = new Engine(threads);
  try {
    return await build(engine);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** A model of the configuration, whose weights are still to be written. */
async function createModel(
  engine: Engine,
  head: HeadName,
  config: EncoderConfig,
  { device, kernels, precision, tf32, matmul }: ParsedDeviceOptions,
): Promise<NativeParameter[]> {
  const parameters = await engine.call((native) =>
    native.createModel(
      nativeConfig(head, config),
      device,
      kernels,
      precision,
      tf32,
      matmulOf(matmul),
      cacheDirectory('products') ?? '',
    ),
  );
  // What `auto` and `cuda` came to.
  engine.device = (await engine.call((native) => native.device())).name;
  engine.precision = precision;
  if (precision === 'bf16' && engine.device === 'cpu') warnWithoutBf16Instructions();
  return parameters;
}

function nativeConfig(head: HeadName, config: EncoderConfig): NativeConfig {
  const { labels: _labels, ...shape } = config;
  return { ...shape, head, numLabels: headOf(head).classes(config) };
}
