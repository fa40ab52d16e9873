/** The fields of a Hugging Face `config.json` that decide the shape and the arithmetic of the encoder. */
export interface EncoderConfig {
  /** Hugging Face's `model_type`. */
  modelType: string;
  vocabSize: number;
  /** Width of the embeddings; the layers' own, but in ELECTRA. */
  embeddingSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  intermediateSize: number;
  /** Rows of the position embeddings; RoBERTa and its kin use those from `padTokenId` + 1 on. */
  maxPositions: number;
  /** Token types; 0 where the family has none. */
  typeVocabSize: number;
  hiddenAct: string;
  layerNormEps: number;
  /** Dropout probabilities. */
  hiddenDropout: number;
  attentionDropout: number;
  classifierDropout: number;
  padTokenId: number;
  /** Standard deviation of freshly drawn weights. */
  initializerRange: number;
  /** Disentangled attention (DeBERTa), else null. */
  relativePositions: RelativePositions | null;
  /** Label of each id of the head, in order; none for a masked language model. */
  labels: string[];
}

/** Attention that also compares contents with the distance between query and key (He et al., "DeBERTa", 2021). */
export interface RelativePositions {
  /** Buckets to either side that larger distances share; 0 where each distance has its own. */
  buckets: number;
  /** Distance from which all share the last one. */
  maxDistance: number;
  contentToPosition: boolean;
  positionToContent: boolean;
  /** Whether the embeddings of distances go through a LayerNorm. */
  layerNorm: boolean;
}
