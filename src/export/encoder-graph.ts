import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { architectureOf } from '../model/architectures.js';
import { type Arithmetic, layerNorm, tensor } from './arithmetic.js';
import { ELEMENT_TYPES, Graph } from './onnx-graph.js';
import { distanceRows, relativeTerms } from './relative-graph.js';
import type { LayerNames, TensorNames } from './tensor-names.js';
import type { Weights } from './weights.js';

/** What stands for minus infinity where attention looks at padding: with it the mean over nothing but padding is finite. */
const MASKED = -3.4028234663852886e38;

const BATCH = 'batch_size';
const LENGTH = 'sequence_length';

/** What the parts of the graph have in common. */
export interface GraphContext {
  graph: Graph;
  config: EncoderConfig;
  names: TensorNames;
  weights: Weights;
  /** Of the layers' matrices and the table of words. */
  arithmetic: Arithmetic;
}

/**
 * The graph of an encoder with a head that scores each token, as the engine computes it: `input_ids`, `attention_mask`
 * and, where the model tells types of tokens apart, `token_type_ids`, each int64 [batch, length], to `logits`, float
 * [batch, length, labels].
 *
 * @param head arithmetic of the classifier
 * @throws UNSUPPORTED_MODEL
 */
export function tokenClassifierGraph(
  config: EncoderConfig,
  names: TensorNames,
  weights: Weights,
  { layers: arithmetic, head }: { layers: Arithmetic; head: Arithmetic },
): Graph {
  const graph = new Graph();
  const context: GraphContext = { graph, config, names, weights, arithmetic };
  const inputIds = graph.input('input_ids', 'int64', [BATCH, LENGTH]);
  const attentionMask = graph.input('attention_mask', 'int64', [BATCH, LENGTH]);
  graph.scope = 'embeddings/';
  let hidden = embed(context, inputIds);
  graph.scope = 'attention_mask/';
  const seen = graph.node('Unsqueeze', [
    graph.node('Cast', [attentionMask], { to: ELEMENT_TYPES.bool }),
    graph.list(1, 2),
  ]);
  const distances = config.relativePositions && distanceRows(context, inputIds);
  for (const [index, layer] of names.layers.entries()) {
    graph.scope = `layer.${index}/`;
    hidden = encodeLayer(context, layer, hidden, (query, key, scale) => {
      const products = graph.node('MatMul', [query, graph.node('Transpose', [key], { perm: [0, 1, 3, 2] })]);
      const scores = distances ? relativeTerms(context, layer, distances, query, key, products) : products;
      return graph.node('Where', [
        seen,
        graph.node('Mul', [scores, graph.scalar('float', scale)]),
        graph.scalar('float', MASKED),
      ]);
    });
  }
  graph.scope = 'classifier/';
  const logits = head.linear(graph, hidden, names.classifier);
  graph.node('Identity', [logits], {}, 'logits');
  graph.output('logits', 'float', [BATCH, LENGTH, config.labels.length]);
  return graph;
}

/** LayerNorm of the sum of the tables' rows, and where the layers are of another width, the map to it. */
function embed(context: GraphContext, inputIds: string): string {
  const { graph, config, names, weights, arithmetic } = context;
  let sum = arithmetic.rows(graph, names.word, inputIds);
  if (names.tokenType !== null) {
    // Of a table of one row nothing can be chosen.
    const numbers =
      config.typeVocabSize > 1
        ? graph.input('token_type_ids', 'int64', [BATCH, LENGTH])
        : graph.scalar('int64', 0);
    const table = tensor(graph, weights, `${names.tokenType}.weight`);
    sum = graph.node('Add', [sum, graph.node('Gather', [table, numbers], { axis: 0 })]);
  }
  if (names.position !== null) {
    sum = graph.node('Add', [sum, positionRows(context, inputIds, names.position)]);
  }
  const embedded = layerNorm(context, sum, names.embeddingsNorm);
  return names.project === null ? embedded : arithmetic.linear(graph, embedded, names.project);
}

/** Rows of the positions: 0, 1, … or, in RoBERTa and its kin, from behind the padding token's id on, padding left out. */
function positionRows({ graph, config, weights }: GraphContext, inputIds: string, name: string): string {
  const table = tensor(graph, weights, `${name}.weight`);
  if (!architectureOf(config.modelType, 'config').positionsFollowPadding) {
    const length = graph.node('Shape', [inputIds], { start: 1, end: 2 });
    return graph.node('Slice', [table, graph.list(0), length, graph.list(0)]);
  }
  const padding = graph.scalar('int64', config.padTokenId);
  const isToken = graph.node('Not', [graph.node('Equal', [inputIds, padding])]);
  const counts = graph.node('Cast', [isToken], { to: ELEMENT_TYPES.int64 });
  const number = graph.node('Mul', [graph.node('CumSum', [counts, graph.scalar('int64', 1)]), counts]);
  return graph.node('Gather', [table, graph.node('Add', [number, padding])], { axis: 0 });
}

/**
 * One layer.
 *
 * @param score attention scores of queries [batch, heads, length, size] and keys of the same shape, masked
 */
function encodeLayer(
  context: GraphContext,
  names: LayerNames,
  x: string,
  score: (query: string, key: string, scale: number) => string,
): string {
  const { graph, config, arithmetic } = context;
  const heads = (name: string) => {
    const split = graph.list(0, 0, config.numHeads, config.hiddenSize / config.numHeads);
    const projected = graph.node('Reshape', [arithmetic.linear(graph, x, name), split]);
    return graph.node('Transpose', [projected], { perm: [0, 2, 1, 3] });
  };
  const [query, key, value] = [heads(names.query), heads(names.key), heads(names.value)];
  const probabilities = graph.node('Softmax', [score(query, key, attentionScale(config))], { axis: -1 });
  const attended = graph.node('Transpose', [graph.node('MatMul', [probabilities, value])], {
    perm: [0, 2, 1, 3],
  });
  const joined = graph.node('Reshape', [attended, graph.list(0, 0, config.hiddenSize)]);
  const output = arithmetic.linear(graph, joined, names.attentionOutput);
  const middle = layerNorm(context, graph.node('Add', [output, x]), names.attentionNorm);
  const up = activate(graph, arithmetic.linear(graph, middle, names.intermediate), config.hiddenAct);
  const down = arithmetic.linear(graph, up, names.output);
  return layerNorm(context, graph.node('Add', [down, middle]), names.outputNorm);
}

/** One over the root of the summands of a score: the size of a head, times the terms of disentangled attention. */
function attentionScale({ hiddenSize, numHeads, relativePositions }: EncoderConfig): number {
  const terms =
    1 + Number(relativePositions?.contentToPosition ?? 0) + Number(relativePositions?.positionToContent ?? 0);
  return 1 / Math.sqrt((hiddenSize / numHeads) * terms);
}

/** @throws UNSUPPORTED_MODEL */
function activate(graph: Graph, x: string, name: string): string {
  const times = (a: string, b: string) => graph.node('Mul', [a, b]);
  const plus = (a: string, b: string) => graph.node('Add', [a, b]);
  const number = (value: number) => graph.scalar('float', value);
  switch (name) {
    // x Φ(x), Φ the normal distribution's
    case 'gelu': {
      const erf = graph.node('Erf', [times(x, number(Math.SQRT1_2))]);
      return times(times(x, plus(erf, number(1))), number(0.5));
    }
    // The same with tanh(√(2/π) (x + 0.044715 x³)) in place of erf(x / √2)
    case 'gelu_new':
    case 'gelu_pytorch_tanh': {
      const cubic = times(times(times(x, x), x), number(0.044715));
      const tanh = graph.node('Tanh', [times(plus(x, cubic), number(Math.sqrt(2 / Math.PI)))]);
      return times(times(x, plus(tanh, number(1))), number(0.5));
    }
    case 'relu':
      return graph.node('Relu', [x]);
    default:
      throw new PermafrostError(
        'UNSUPPORTED_MODEL',
        `config: activation '${name}' is not supported. Expected gelu, gelu_new or relu.`,
        { activation: name },
      );
  }
}
