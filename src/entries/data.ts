// permafrost/data: datasets, vocabularies, encoding and batches.
export { packExamples, packRagged } from '../batching/pack.js';
export { padBatch } from '../batching/pad.js';
export type { EncodedDataset, EncodedSplits } from '../contract/encoded-dataset.js';
export { IGNORED_LABEL } from '../contract/packed-batch.js';
export { type DatasetOptions, downloadDataset, type HubDataset } from '../data/hub/download-dataset.js';
export { KNOWN_DATASETS, type KnownDataset } from '../data/hub/known-datasets.js';
export { LabelSet } from '../data/label-set.js';
export { mapTypes, parseTypeMap, type TypeMap } from '../data/map-types.js';
export { splitSentences } from '../data/split.js';
export { type CorpusName, corpusStream, generateCorpus } from '../data/synthetic/generate.js';
export type { HubOptions, HubProgress } from '../hub/snapshot.js';
export type { HubModel } from '../model/hub-model.js';
export { encodeDataset } from '../text/encode.js';
export { trainWordPiece } from '../text/tokenizer.js';
