import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { architectureOf } from '../model/architectures.js';

/** Names of a linear map or a LayerNorm, without `.weight` and `.bias`. */
export interface LayerNames {
  query: string;
  key: string;
  value: string;
  attentionOutput: string;
  attentionNorm: string;
  intermediate: string;
  output: string;
  outputNorm: string;
}

/** Hugging Face names of a token classifier's tensors; null for those that the model does without. */
export interface TensorNames {
  word: string;
  position: string | null;
  tokenType: string | null;
  embeddingsNorm: string;
  project: string | null;
  layers: LayerNames[];
  relative: { embeddings: string; norm: string | null } | null;
  classifier: string;
}

const BERT_LAYER: LayerNames & { layer: string } = {
  layer: 'encoder.layer.',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOutput: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  intermediate: 'intermediate.dense',
  output: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

/** In what each family's layers are called otherwise than BERT's. */
const OTHERWISE: Readonly<Record<string, Partial<typeof BERT_LAYER>>> = {
  bert: {},
  roberta: {},
  'xlm-roberta': {},
  camembert: {},
  electra: {},
  distilbert: {
    layer: 'transformer.layer.',
    query: 'attention.q_lin',
    key: 'attention.k_lin',
    value: 'attention.v_lin',
    attentionOutput: 'attention.out_lin',
    attentionNorm: 'sa_layer_norm',
    intermediate: 'ffn.lin1',
    output: 'ffn.lin2',
    outputNorm: 'output_layer_norm',
  },
  'deberta-v2': {
    query: 'attention.self.query_proj',
    key: 'attention.self.key_proj',
    value: 'attention.self.value_proj',
  },
};

/** @throws UNSUPPORTED_MODEL for a family whose graph is not known */
export function tensorNames(config: EncoderConfig): TensorNames {
  const otherwise = OTHERWISE[config.modelType];
  if (otherwise === undefined) {
    const known = Object.keys(OTHERWISE).join(', ');
    throw new PermafrostError(
      'UNSUPPORTED_MODEL',
      `config: model_type ${JSON.stringify(config.modelType)} cannot be exported. Expected one of ${known}.`,
      { modelType: config.modelType },
    );
  }
  const { prefix } = architectureOf(config.modelType, 'config');
  const { layer, ...names } = { ...BERT_LAYER, ...otherwise };
  const { relativePositions: relative } = config;
  return {
    word: `${prefix}embeddings.word_embeddings`,
    position: relative === null ? `${prefix}embeddings.position_embeddings` : null,
    tokenType: config.typeVocabSize > 0 ? `${prefix}embeddings.token_type_embeddings` : null,
    embeddingsNorm: `${prefix}embeddings.LayerNorm`,
    project: config.embeddingSize === config.hiddenSize ? null : `${prefix}embeddings_project`,
    layers: Array.from({ length: config.numLayers }, (_, index) => {
      const own = Object.entries(names).map(([part, name]) => [part, `${prefix}${layer}${index}.${name}`]);
      return Object.fromEntries(own) as LayerNames;
    }),
    relative: relative && {
      embeddings: `${prefix}encoder.rel_embeddings`,
      norm: relative.layerNorm ? `${prefix}encoder.LayerNorm` : null,
    },
    classifier: 'classifier',
  };
}

/** Every tensor of a token classifier with its shape. */
export function tensorShapes(config: EncoderConfig, names: TensorNames): Map<string, number[]> {
  const { hiddenSize: hidden, embeddingSize, intermediateSize } = config;
  const shapes = new Map<string, number[]>();
  const table = (name: string | null, rows: number, width: number) => {
    if (name !== null) shapes.set(`${name}.weight`, [rows, width]);
  };
  const norm = (name: string | null, size: number) => {
    if (name === null) return;
    shapes.set(`${name}.weight`, [size]);
    shapes.set(`${name}.bias`, [size]);
  };
  const linear = (name: string | null, out: number, width: number) => {
    table(name, out, width);
    if (name !== null) shapes.set(`${name}.bias`, [out]);
  };
  table(names.word, config.vocabSize, embeddingSize);
  table(names.position, config.maxPositions, embeddingSize);
  table(names.tokenType, config.typeVocabSize, embeddingSize);
  norm(names.embeddingsNorm, embeddingSize);
  linear(names.project, hidden, embeddingSize);
  for (const layer of names.layers) {
    for (const projection of [layer.query, layer.key, layer.value, layer.attentionOutput]) {
      linear(projection, hidden, hidden);
    }
    norm(layer.attentionNorm, hidden);
    linear(layer.intermediate, intermediateSize, hidden);
    linear(layer.output, hidden, intermediateSize);
    norm(layer.outputNorm, hidden);
  }
  if (names.relative !== null) {
    const { buckets, maxDistance } = config.relativePositions!;
    table(names.relative.embeddings, 2 * (buckets || maxDistance), hidden);
    norm(names.relative.norm, hidden);
  }
  linear(names.classifier, config.labels.length, hidden);
  return shapes;
}
