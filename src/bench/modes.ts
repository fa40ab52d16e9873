import { padBatch } from '../batching/pad.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';

/** Ways to lay out the same sentences: without padding, filled to the batch's longest, filled to 128 tokens. */
export const BENCH_MODES = ['packed', 'longest', 'pad128'] as const;
export type BenchMode = (typeof BENCH_MODES)[number];

/** The paper's length; every mode cuts sentences there. */
export const MAX_LENGTH = 128;

/** Padding takes part in no loss, and has no embedding of its own to learn. */
export const PAD_ID = 0;

/**
 * Reads `packed,pad128`, or `all`.
 *
 * @throws INVALID_OPTION naming the modes there are.
 */
export function parseModes(text: string): BenchMode[] {
  if (text === 'all') return [...BENCH_MODES];
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name, index) => !isMode(name) || names.indexOf(name) !== index);
  if (wrong !== undefined) {
    const meant = didYouMean(wrong, BENCH_MODES);
    const reason = isMode(wrong) ? `'${wrong}' is given twice` : `there is no mode '${wrong}'`;
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`modes\` "${text}": ${reason}${!isMode(wrong) && meant ? `, did you mean '${meant}'` : ''}. ` +
        `Expected ${BENCH_MODES.join(', ')}, several with commas between, or all.`,
      { option: 'mode', got: text },
    );
  }
  return names.filter(isMode);
}

/** The same sentences in the layout of a mode. */
export function layOut(mode: BenchMode, packed: PackedBatch): PackedBatch {
  if (mode === 'packed') return packed;
  return padBatch(packed, mode === 'longest' ? 'longest' : MAX_LENGTH, PAD_ID);
}

/**
 * Whether a mode computes the last layer for tokens without a label, too. Padding is work done the usual way, in which
 * every layer computes whatever it is given.
 */
export function computesEveryToken(mode: BenchMode): boolean {
  return mode !== 'packed';
}

function isMode(name: string): name is BenchMode {
  return (BENCH_MODES as readonly string[]).includes(name);
}
