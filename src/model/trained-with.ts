import { z } from 'zod';
import type { LongSentences } from '../text/cut-examples.js';
import type { HuggingFaceConfig } from './config.js';

/** The field of `config.json` that holds it; other programs pass it over and keep it. */
const FIELD = 'permafrost';

const schema = z.object({
  maxLength: z.int().min(3),
  longSentences: z.enum(['truncate', 'windows']).exactOptional(),
  contextTokens: z.int().nonnegative().exactOptional(),
  decoding: z.enum(['argmax', 'viterbi']).exactOptional(),
});

/** What a model was fine-tuned with, which evaluation, tagging and continued training take from it. */
export interface TrainedWith {
  /** Longest example in tokens, special tokens included. */
  maxLength: number;
  /** Whether longer sentences were cut off or read in windows. @default 'truncate' */
  longSentences?: LongSentences;
  /** Tokens of its document that each sentence had on each side. @default 0 */
  contextTokens?: number;
  /** How scores became tags when it was measured. @default 'viterbi' for a chain, else 'argmax' */
  decoding?: 'argmax' | 'viterbi';
}

/** What a configuration says of the training of its model; null where it says nothing that can be read. */
export function trainedWith(config: HuggingFaceConfig): TrainedWith | null {
  return schema.safeParse(config[FIELD]).data ?? null;
}

/** The configuration with what its model was trained with. */
export function withTraining(config: HuggingFaceConfig, trained: TrainedWith): HuggingFaceConfig {
  return { ...config, [FIELD]: trained };
}
