/** The fields of a Hugging Face `config.json` that decide the shape and the arithmetic of the encoder. */
export interface EncoderConfig {
  /** Hugging Face's `model_type`. */
  modelType: string;
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  intermediateSize: number;
  maxPositions: number;
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
  /** Label of each id of the head, in order; none for a masked language model. */
  labels: string[];
}
