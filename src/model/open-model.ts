import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import type { NativeParameter } from '../native/addon.js';
import { Engine } from '../native/engine.js';
import { architectureOf } from './architectures.js';
import { listCheckpoint, loadTensors, planLoading } from './checkpoint.js';
import { type HuggingFaceConfig, huggingFaceEncoder, readConfigFile } from './config.js';
import type { ModelParts } from './encoder-model.js';
import { type HeadName, headOf } from './heads.js';
import { findTokenizer } from './model-directory.js';
import type { ParsedCreateOptions, ParsedDeviceOptions, ParsedLoadOptions } from './options.js';

/**
 * The parts of a model that is read from a directory; what the checkpoint lacks is drawn from the seed.
 *
 * @param labels label of each id, for a head that has labels. @default those of the configuration
 * @param isFreshHead whether the checkpoint's head is passed over, given its configuration.
 */
export async function loadParts(
  head: HeadName,
  directory: string,
  { labels: _labels, lowercase, signal, ...device }: ParsedLoadOptions,
  labels: string[] | undefined,
  isFreshHead: (config: HuggingFaceConfig) => boolean,
): Promise<ModelParts> {
  signal?.throwIfAborted();
  const configFile = join(directory, 'config.json');
  const huggingFaceConfig = await readConfigFile(configFile);
  const config = huggingFaceEncoder(huggingFaceConfig, configFile, labels);
  const tokenizer = await findTokenizer(directory, lowercase);
  const freshHead = isFreshHead(huggingFaceConfig);
  return withEngine(device, head, config, async (engine, parameters) => {
    const architecture = architectureOf(config.modelType, configFile);
    const plan = planLoading(await listCheckpoint(directory), parameters, architecture, freshHead);
    await loadTensors(engine, plan, signal);
    if (plan.fresh.length > 0) await engine.call((native) => native.initialise(device.seed, plan.fresh));
    const loadReport = { fresh: plan.fresh, unused: plan.unused };
    return { engine, head, config, parameters, tokenizer, huggingFaceConfig, loadReport };
  });
}

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
