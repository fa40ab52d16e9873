// permafrost/tagging: how scores of tokens become entities.
export type { Decoding } from '../evaluation/decoding.js';
export { type AggregateOptions, aggregate, type DecodeWords } from '../inference/aggregate.js';
export { AGGREGATION_STRATEGIES, type AggregationStrategy, type ScoredTokens } from '../inference/entity.js';
export { huggingFaceOverlaps, huggingFaceWords } from '../inference/hugging-face-rules.js';
export type { TaggingRules, TagOptions } from '../inference/options.js';
export {
  type ScoredTag,
  type TaggedWords,
  type TagWordsOptions,
  tagWords,
  type WordEntity,
} from '../inference/tag-words.js';
export type { Taggable, TaggerStats } from '../inference/tagger.js';
