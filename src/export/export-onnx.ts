import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { parseOptions } from '../errors/option-error.js';
import type { HubOptions } from '../hub/snapshot.js';
import { TOKENIZER_FILES } from '../hub/tokenizer-files.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { longestSequence } from '../model/architectures.js';
import {
  type HuggingFaceConfig,
  huggingFaceEncoder,
  readConfigFile,
  toHuggingFace,
} from '../model/config.js';
import { locateModel } from '../model/locate-model.js';
import { findTokenizer } from '../model/model-directory.js';
import { TokenClassifier } from '../model/token-classifier.js';
import { withTraining } from '../model/trained-with.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { floatArithmetic, int8Arithmetic } from './arithmetic.js';
import { tokenClassifierGraph } from './encoder-graph.js';
import { isOneFile, OPSET, writeOnnx } from './onnx-file.js';
import { tensorNames, tensorShapes } from './tensor-names.js';
import { directoryWeights, modelWeights, type Weights } from './weights.js';

/** What of an export the command line has flags for, too. */
export const exportShape = {
  /** Rounds the weights to 8 bits: a quarter of the size, at some loss of quality. @default false */
  int8: z
    .boolean()
    .default(false)
    .describe('weights of 8 bits: a quarter of the size, nearly the same scores'),
  /** Whether `int8` rounds the table of words, too. @default true */
  int8Embeddings: z.boolean().default(true).meta({
    description: 'with --int8, leave the table of words in 32 bits',
    negatedBy: 'fp32Embeddings',
  }),
};

const schema = z.strictObject({
  ...exportShape,
  /** Directory with a trained token classifier, `owner/name` on the Hub, or the model itself. */
  model: z.union([z.string().min(1), z.custom<TokenClassifier>((value) => value instanceof TokenClassifier)]),
  /** Directory to write to, which may be the model's own. */
  out: z.string().min(1),
  /** How a model of the Hub is fetched. */
  hub: z.custom<HubOptions>((value) => typeof value === 'object' && value !== null).optional(),
  /** Stops between two pieces of the weights, with the earlier files untouched. */
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

/** What {@link exportOnnx} writes, and where. */
export interface ExportOptions extends z.input<typeof schema> {}

/** Names by which transformers.js finds graphs: of 32 bits (`fp32`), of 8 (`q8`). */
const GRAPHS = ['model.onnx', 'model_quantized.onnx'] as const;

/** What was written. */
export interface OnnxExport {
  /** Directory of the files. */
  directory: string;
  /** Paths within it, in the order of their writing, and sizes. */
  files: { path: string; bytes: number }[];
  /** Version of ONNX's operators. */
  opset: number;
  /** Names of the graph's inputs. */
  inputs: string[];
  /** Tensors of the model that are not in the graph: of a chain it gives the words' own scores. */
  left: string[];
}

/**
 * Writes a token classifier as an ONNX graph of any batch size and length, in the layout that transformers.js opens:
 * `onnx/model.onnx` (of 8 bits: `onnx/model_quantized.onnx`) beside configuration and tokenizer. Weights are read from
 * the model's directory and written piece by piece; the engine is not needed for it.
 *
 * The graph takes `input_ids`, `attention_mask` and, where the model tells them apart, `token_type_ids`, int64
 * [batch, length], and gives `logits`, float32 [batch, length, labels].
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH (also for a model whose head was not trained),
 *   UNSUPPORTED_MODEL, INVALID_OPTION, WRITE_FAILED; the errors of `downloadModel`; `signal.reason`
 */
export async function exportOnnx(options: ExportOptions): Promise<OnnxExport> {
  const { model, out, int8, int8Embeddings, hub, signal } = parseOptions(schema, options, 'exportOnnx');
  signal?.throwIfAborted();
  const source =
    typeof model === 'string'
      ? await openDirectory((await locateModel(model, { ...hub, ...(signal && { signal }) })).directory)
      : openModel(model);
  const { config, names } = source;
  const weights = stoppedBy(source.weights, signal);
  const float = floatArithmetic(weights);
  const layers = int8 ? int8Arithmetic(weights, { tables: int8Embeddings }) : float;
  const graph = tokenClassifierGraph(config, names, weights, { layers, head: float });
  const file = join(out, 'onnx', GRAPHS[int8 ? 1 : 0]);
  // The graph comes last: a directory that has it is complete.
  const beside = await writeBeside(out, source, file, !isOneFile(graph));
  const written = await writeOnnx(file, graph);
  const files = [...beside, ...written.map((path) => relative(out, path).replaceAll('\\', '/'))];
  return {
    directory: out,
    files: await Promise.all(
      files.map(async (path) => ({ path, bytes: (await stat(join(out, path))).size })),
    ),
    opset: OPSET,
    inputs: graph.inputs.map(({ name }) => name),
    left: source.weights.left,
  };
}

interface Source {
  /** Where it lies, null in memory. */
  directory: string | null;
  config: EncoderConfig;
  huggingFaceConfig: HuggingFaceConfig;
  names: ReturnType<typeof tensorNames>;
  weights: Weights;
  tokenizer: Tokenizer | null;
}

async function openDirectory(directory: string): Promise<Source> {
  const file = join(directory, 'config.json');
  const huggingFaceConfig = await readConfigFile(file);
  const config = huggingFaceEncoder(huggingFaceConfig, file);
  const names = tensorNames(config);
  const weights = await directoryWeights(directory, config, tensorShapes(config, names));
  return { directory, config, huggingFaceConfig, names, weights, tokenizer: await findTokenizer(directory) };
}

function openModel(model: TokenClassifier): Source {
  const { config, tokenizer, trainedWith } = model;
  const names = tensorNames(config);
  const weights = modelWeights(model, tensorShapes(config, names));
  const huggingFaceConfig = trainedWith === null ? {} : withTraining({}, trainedWith);
  return { directory: null, config, huggingFaceConfig, names, weights, tokenizer };
}

/** Configuration and tokenizer, as transformers.js reads them; those of a model that lies there stay as they are. */
async function writeBeside(
  out: string,
  source: Source,
  graphFile: string,
  isSplit: boolean,
): Promise<string[]> {
  const { directory, config, huggingFaceConfig: original, tokenizer } = source;
  const isOwn = directory !== null && resolve(directory) === resolve(out);
  const known = isOwn ? original : toHuggingFace(config, original);
  const split = GRAPHS.filter((name) =>
    name === basename(graphFile) ? isSplit : existsSync(join(out, 'onnx', `${name}_data`)),
  );
  const marked = split.length > 0 ? withDataFiles(known, split) : known;
  if (marked !== original) {
    await writeFileAtomic(join(out, 'config.json'), `${JSON.stringify(marked, null, 2)}\n`);
  }
  if (!isOwn) await tokenizer?.save(out, { maxLength: longestSequence(config) });
  return ['config.json', ...TOKENIZER_FILES].filter((name) => existsSync(join(out, name)));
}

/** Says in the words of transformers.js which graphs have their weights in a file of their own. */
function withDataFiles(config: HuggingFaceConfig, graphs: readonly string[]): HuggingFaceConfig {
  const field = 'transformers.js_config';
  const files = Object.fromEntries(graphs.map((name) => [name, 1]));
  return { ...config, [field]: { ...(config[field] as object), use_external_data_format: files } };
}

/** The same weights, which are no longer read once the signal is aborted. */
function stoppedBy(weights: Weights, signal: AbortSignal | undefined): Weights {
  return {
    ...weights,
    async *rows(name) {
      for await (const piece of weights.rows(name)) {
        signal?.throwIfAborted();
        yield piece;
      }
    },
  };
}
