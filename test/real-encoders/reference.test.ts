import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSentences, TokenClassifier, Tokenizer } from '../../src/index.js';
import { describeShared, fixturePath, sharedPath } from '../helpers/shared.js';

/** A matrix in a few numbers: its sums, and some values of its first and its last row. */
interface MatrixDigest {
  sum: number;
  squares: number;
  first: number[];
  last: number[];
}

/** What bench/peers/hf_reference.py found; a file for each encoder. */
interface Reference {
  sentences: { words: string[]; inputIds: number[]; layers: MatrixDigest[]; logits: MatrixDigest }[];
  files: Record<string, { sentences: number; tokens: number; sha256: string }>;
}

/** Root mean square of what the values may differ by, against their own. */
const RELATIVE = 2e-5;
const LABELS = ['O', 'B-A', 'I-A', 'B-B', 'I-B'];
/** The multilingual encoder is in no folder of its own: whoever has it names it. */
const MULTILINGUAL = process.env.PERMAFROST_MULTILINGUAL_E5;

function expectMatrix(values: Float32Array, width: number, expected: MatrixDigest): void {
  const units = expected.first.length;
  const size = Math.sqrt(expected.squares / values.length);
  const sums = values.reduce(([sum, squares], value) => [sum! + value, squares! + value * value], [0, 0]);
  expect(Math.abs(sums[0]! - expected.sum)).toBeLessThan(RELATIVE * size * values.length);
  expect(Math.abs(sums[1]! / expected.squares - 1)).toBeLessThan(RELATIVE);
  const [first, last] = [values.subarray(0, units), values.subarray(values.length - units)];
  expect(values.length % width).toBe(0);
  for (const [i, value] of [...first, ...last].entries()) {
    const wanted = [...expected.first, ...expected.last][i]!;
    expect(Math.abs(value - wanted)).toBeLessThan(20 * RELATIVE * size);
  }
}

function describeEncoder(name: string, directory: string): void {
  describeShared(`${name} against Transformers`, () => {
    const fixture = fixturePath('real-encoders', `${name}.json`);
    const reference: Reference = JSON.parse(readFileSync(fixture, 'utf8'));
    let model: TokenClassifier;
    let tokenizer: Tokenizer;

    beforeAll(async () => {
      model = await TokenClassifier.load(directory, { device: 'cpu', threads: 1, labels: LABELS });
      tokenizer = await Tokenizer.load(directory);
      const { hiddenSize } = model.config;
      const weight = Float32Array.from(
        { length: LABELS.length * hiddenSize },
        (_, i) => Math.cos(1 + i) / 20,
      );
      await model.writeParameter('classifier.weight', weight);
      await model.writeParameter(
        'classifier.bias',
        Float32Array.from(LABELS.keys(), (label) => label / 10),
      );
    });
    afterAll(() => model.dispose());

    it('computes its hidden states and logits', async () => {
      for (const { words, inputIds, layers, logits } of reference.sentences) {
        const encoded = tokenizer.encodeWords(words, { maxLength: 512 });
        expect(encoded.inputIds).toEqual(inputIds);
        const { data, shape } = await model.hiddenStates({ inputIds: [inputIds] });
        expect(shape).toEqual([layers.length, inputIds.length, model.config.hiddenSize]);
        const size = shape[1] * shape[2];
        for (const [layer, expected] of layers.entries()) {
          expectMatrix(data.subarray(layer * size, (layer + 1) * size), shape[2], expected);
        }
        expectMatrix((await model.logits({ inputIds: [inputIds] })).data, LABELS.length, logits);
      }
    });

    it.each(Object.keys(reference.files))('cuts the words of %s into its tokens', async (file) => {
      const digest = createHash('sha256');
      let tokens = 0;
      const sentences = await readSentences(sharedPath('data', file));
      for (const { words } of sentences) {
        const { inputIds, wordIds } = tokenizer.encodeWords(words, { maxLength: Number.MAX_SAFE_INTEGER });
        digest.update(`${inputIds.join(' ')}|${wordIds.map((word) => word ?? '-').join(' ')}\n`);
        tokens += inputIds.length;
      }
      const found = { sentences: sentences.length, tokens, sha256: digest.digest('hex') };
      expect(found).toEqual(reference.files[file]);
    });
  });
}

describeEncoder('e5-small-v2', sharedPath('models', 'e5-small-v2'));
if (MULTILINGUAL !== undefined && existsSync(MULTILINGUAL)) {
  describeEncoder('multilingual-e5-small', MULTILINGUAL);
} else {
  console.warn('skipped: multilingual-e5-small: PERMAFROST_MULTILINGUAL_E5 names no directory');
  it.skip('multilingual-e5-small against Transformers');
}
