import { describe, expect, it } from 'vitest';
import { generateCorpus, trainWordPiece } from '../../src/entries/data.js';
import type { EncoderConfigInput } from '../../src/entries/training.js';
import {
  type FinetuneOptions,
  type FinetuneResult,
  finetune,
  labelSet,
  PrefixCache,
  TokenClassifier,
  type Tokenizer,
} from '../../src/index.js';
import { FAMILIES } from '../helpers/families.js';

const corpus = generateCorpus('demo', { seed: 5, sizes: { train: 96, validation: 40, test: 40 } });
const tokenizer = trainWordPiece(
  corpus.train.flatMap(({ words }) => words),
  { vocabSize: 400, lowercase: true, minFrequency: 1 },
);

async function run(
  options: Partial<FinetuneOptions>,
  seed = 1,
  overrides: Partial<EncoderConfigInput> = {},
  pieces: Tokenizer = tokenizer,
  precision: 'fp32' | 'bf16' = 'fp32',
): Promise<FinetuneResult> {
  const shape = { hiddenSize: 64, numLayers: 4, numHeads: 4, intermediateSize: 128, maxPositions: 64 };
  const config = { ...shape, vocabSize: pieces.vocabSize, labels: labelSet(corpus.train), ...overrides };
  const model = await TokenClassifier.create(config, { seed, tokenizer: pieces, precision });
  try {
    const common = {
      epochs: 3,
      batchSize: 8,
      earlyStopping: false,
      freezing: 'bottom-up:3',
      frozenDropout: 'off',
    } as const;
    return await finetune({
      model,
      ...corpus,
      optimizer: { learningRate: 1e-3 },
      seed: 1,
      ...common,
      ...options,
    }).result;
  } finally {
    await model.dispose();
  }
}

describe('training with the frozen prefix kept', () => {
  it('gives the bits of training that computes it in every step', async () => {
    const without = await run({ prefixCache: false });
    const kept = await run({});
    expect(kept.losses).toEqual(without.losses);
    expect(kept.test).toEqual(without.test);
    expect(without.prefixStore).toBeNull();
    // Three epochs over train and validation and one over test, of which the first of each computes.
    expect(kept.prefixStore).toMatchObject({ depth: 3, hits: 2 * 96 + 2 * 40, misses: 96 + 40 + 40 });
    expect(kept.prefixStore!.borrowed).toBe(0);
  });

  it.each(Object.keys(FAMILIES))('gives the same bits for a model of type %s', async (family) => {
    const [config, epochs] = [FAMILIES[family]!, 2];
    const without = await run({ prefixCache: false, epochs }, 1, config);
    const kept = await run({ epochs }, 1, config);
    expect(kept.losses).toEqual(without.losses);
    expect(kept.test).toEqual(without.test);
    expect(kept.prefixStore).toMatchObject({ depth: 3, hits: 96 + 40 });
  });

  it('keeps what a model computes in bf16 as bf16, with the same bits and half the bytes', async () => {
    const cache = new PrefixCache();
    const inBf16 = (prefixCache: PrefixCache | false) =>
      run({ prefixCache, epochs: 2 }, 1, {}, tokenizer, 'bf16');
    const without = await inBf16(false);
    const kept = await inBf16(cache);
    expect(kept.losses).toEqual(without.losses);
    expect(kept.test).toEqual(without.test);
    expect(kept.prefixStore).toMatchObject({ precision: 'bf16', hits: 96 + 40 });
    const { memoryBytes } = cache.usage();
    // A model in fp32 has a store of its own beside it, of twice the bytes.
    const exact = await run({ prefixCache: cache, epochs: 2 });
    expect(exact.losses).toEqual((await run({ prefixCache: false, epochs: 2 })).losses);
    expect(exact.prefixStore).toMatchObject({ precision: 'fp32', hits: 96 + 40 });
    expect(cache.usage().memoryBytes).toBe(3 * memoryBytes);
  });

  it('computes nothing again in a second run with the same frozen weights, at lesser depths either', async () => {
    const cache = new PrefixCache({ depths: [1, 2, 3] });
    await run({ prefixCache: cache });
    const { misses } = cache.usage();
    const shallow = await run({ prefixCache: cache, freezing: 'bottom-up:1' });
    expect(cache.usage().misses).toBe(misses);
    expect(shallow.losses).toEqual((await run({ prefixCache: false, freezing: 'bottom-up:1' })).losses);
  });

  it('counts what an earlier run computed once for each sequence, and nothing of its own', async () => {
    const cache = new PrefixCache({ depths: [1, 2, 3] });
    const borrowed = async (options: Partial<FinetuneOptions>, seed = 1) =>
      (await run({ prefixCache: cache, ...options }, seed)).prefixStore!.borrowed;
    expect(await borrowed({})).toBe(0);
    expect(await borrowed({})).toBe(96 + 40 + 40);
    expect(await borrowed({ freezing: 'bottom-up:1', epochs: 1 })).toBe(96 + 40 + 40);
    expect(await borrowed({}, 2)).toBe(0);
  });

  it('counts it where only a part of the outputs has room', async () => {
    const cache = new PrefixCache({ memoryBytes: 100_000 });
    const first = (await run({ prefixCache: cache })).prefixStore!;
    const second = (await run({ prefixCache: cache })).prefixStore!;
    expect(first.borrowed).toBe(0);
    expect(second.borrowed).toBe(first.examples);
    expect(second.misses).toBeGreaterThan(96 + 40 + 40);
  });

  it('does not serve a model of other weights', async () => {
    const cache = new PrefixCache();
    await run({ prefixCache: cache });
    const other = await run({ prefixCache: cache }, 2);
    expect(other.losses).toEqual((await run({ prefixCache: false }, 2)).losses);
  });

  it('serves models of other widths and tokenizers side by side, each with its own', async () => {
    const cache = new PrefixCache();
    const common = { epochs: 2, freezing: 'bottom-up:2' };
    const narrow = { hiddenSize: 32, intermediateSize: 64 };
    const words = corpus.train.flatMap(({ words }) => words);
    const other = trainWordPiece(words, { vocabSize: 200, lowercase: true, minFrequency: 1 });
    await run({ ...common, prefixCache: cache });
    for (const [overrides, pieces] of [
      [narrow, tokenizer],
      [{}, other],
    ] as const) {
      const kept = await run({ ...common, prefixCache: cache }, 1, overrides, pieces);
      const without = await run({ ...common, prefixCache: false }, 1, overrides, pieces);
      expect(kept.losses).toEqual(without.losses);
      expect(kept.prefixStore).toMatchObject({ hits: 96 + 40, misses: 96 + 40 + 40 });
    }
  });

  it('keeps within its budget and goes on without what does not fit', async () => {
    const cache = new PrefixCache({ memoryBytes: 100_000, fileBytes: 50_000 });
    const tight = await run({ prefixCache: cache });
    expect(tight.losses).toEqual((await run({ prefixCache: false })).losses);
    const { memoryBytes, fileBytes, hits } = cache.usage();
    expect(memoryBytes).toBeLessThanOrEqual(100_000);
    expect(fileBytes).toBeLessThanOrEqual(50_000);
    expect(hits).toBeGreaterThan(0);
  });

  it('leaves room for the deepest prefix first', async () => {
    // Room for all outputs of one depth, which the training split takes first: all of its own at depth 3.
    const whole = new PrefixCache({ depths: [3] });
    await run({ prefixCache: whole });
    const cache = new PrefixCache({ depths: [1, 3], memoryBytes: whole.usage().memoryBytes });
    await run({ prefixCache: cache });
    const again = await run({ prefixCache: cache });
    expect(again.prefixStore).toMatchObject({ hits: 3 * 96, misses: 3 * 40 + 40 });
  });

  it('is used by itself where dropout is left to it, and the result says so', async () => {
    const auto = await run({ frozenDropout: 'auto', epochs: 2 });
    expect(auto).toMatchObject({ frozenDropout: 'off', prefixStore: { depth: 3 } });
    expect(auto.losses).toEqual((await run({ frozenDropout: 'off', prefixCache: false, epochs: 2 })).losses);
    const computed = await run({ frozenDropout: 'auto', prefixCache: false, epochs: 1 });
    expect(computed).toMatchObject({ frozenDropout: 'on', prefixStore: null });
    const learning = await run({ frozenDropout: 'auto', freezing: 'full', epochs: 1 });
    expect(learning).toMatchObject({ frozenDropout: 'on', prefixStore: null });
  });

  it('is used with dropout on where the model has none', async () => {
    const none = { hiddenDropout: 0, attentionDropout: 0 };
    const kept = await run({ frozenDropout: 'on', epochs: 2 }, 1, none);
    expect(kept).toMatchObject({ frozenDropout: 'on', prefixStore: { depth: 3 } });
    const computed = await run({ frozenDropout: 'on', epochs: 2, prefixCache: false }, 1, none);
    expect(kept.losses).toEqual(computed.losses);
  });

  it('is not used while the frozen layers keep their dropout, nor without a frozen prefix', async () => {
    expect((await run({ frozenDropout: 'on', epochs: 1 })).prefixStore).toBeNull();
    expect((await run({ freezing: 'top-down:2', epochs: 1 })).prefixStore).toBeNull();
    expect((await run({ freezing: 'full', epochs: 1 })).prefixStore).toBeNull();
  });
});
