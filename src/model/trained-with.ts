import { z } from 'zod';
import type { HuggingFaceConfig } from './config.js';

/** The field of `config.json` that holds it; other programs pass it over and keep it. */
const FIELD = 'permafrost';

const schema = z.object({ maxLength: z.int().min(3) });

/** What a model was fine-tuned with, which evaluation, tagging and continued training take from it. */
export interface TrainedWith {
  /** Longest example in tokens, special tokens included. */
  maxLength: number;
}

/** What a configuration says of the training of its model; null where it says nothing that can be read. */
export function trainedWith(config: HuggingFaceConfig): TrainedWith | null {
  return schema.safeParse(config[FIELD]).data ?? null;
}

/** The configuration with what its model was trained with. */
export function withTraining(config: HuggingFaceConfig, trained: TrainedWith): HuggingFaceConfig {
  return { ...config, [FIELD]: trained };
}
