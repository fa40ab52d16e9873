/** Every target, with its share of the time. */
export const TARGETS = {
  safetensors: 1,
  torch: 1,
  onnx: 1,
  config: 1,
  tokenizer: 2,
  text: 1,
  conll: 1,
  jsonl: 1,
  parquet: 2,
  batches: 2,
  model: 1,
  hub: 1,
};
