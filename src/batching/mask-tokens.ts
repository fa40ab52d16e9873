import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL } from '../contract/packed-batch.js';
import type { Random } from '../io/random.js';

export interface MaskingOptions {
  /** Share of the tokens of each example that are to be predicted, special tokens aside; at least one is. */
  rate: number;
  /** Chooses words with all their sub-tokens instead of single tokens. */
  wholeWord: boolean;
  /** Id of `[MASK]`. */
  maskId: number;
  /** Ids that a random token is drawn from. */
  vocabSize: number;
}

/** Of the chosen tokens so many become `[MASK]`, and so many of the rest a random token. */
const MASKED_SHARE = 0.8;
const RANDOM_SHARE_OF_REST = 0.5;

/**
 * Chooses tokens to predict and hides them, as BERT was trained (Devlin et al. 2019, section 3.1): of the chosen
 * ones 80% become `[MASK]`, 10% a random token, 10% stay.
 *
 * @returns the dataset with the tokens hidden; labels are the original ids of the chosen tokens, -100 elsewhere.
 */
export function maskTokens(dataset: EncodedDataset, options: MaskingOptions, random: Random): EncodedDataset {
  const inputIds = dataset.inputIds.slice();
  const labels = new Int32Array(inputIds.length).fill(IGNORED_LABEL);
  for (let example = 0; example < dataset.size; example++) {
    const groups = candidates(dataset, example, options.wholeWord);
    for (const token of choose(groups, options.rate, random)) {
      labels[token] = inputIds[token]!;
      if (random.next() < MASKED_SHARE) inputIds[token] = options.maskId;
      else if (random.next() < RANDOM_SHARE_OF_REST) inputIds[token] = random.int(options.vocabSize);
    }
  }
  return { ...dataset, inputIds, labels };
}

/** What is chosen as one, as runs of tokens: borders, the last one being the end. */
function candidates({ offsets, wordIds }: EncodedDataset, example: number, wholeWord: boolean): number[][] {
  const groups: number[][] = [];
  let last = -1;
  for (let token = offsets[example]!; token < offsets[example + 1]!; token++) {
    const word = wordIds[token]!;
    if (word < 0) continue;
    if (wholeWord && word === last) groups[groups.length - 1]!.push(token);
    else groups.push([token]);
    last = word;
  }
  return groups;
}

function choose(groups: number[][], rate: number, random: Random): number[] {
  const count = groups.reduce((sum, group) => sum + group.length, 0);
  const wanted = Math.max(1, Math.round(count * rate));
  const chosen: number[] = [];
  // Drawn one after another without replacement; a word that is too long for what is left is passed over.
  for (let left = groups.length; left > 0 && chosen.length < wanted; left--) {
    const at = random.int(left);
    const group = groups[at]!;
    groups[at] = groups[left - 1]!;
    if (chosen.length === 0 || chosen.length + group.length <= wanted) chosen.push(...group);
  }
  return chosen;
}
