import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CreateOptions, TokenClassifier } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { thrownBy } from '../helpers/thrown.js';

/** The smallest widths whose products are measured. */
const MODEL = {
  vocabSize: 32,
  hiddenSize: 128,
  numLayers: 1,
  numHeads: 2,
  intermediateSize: 256,
  maxPositions: 64,
  labels: ['O', 'B-X', 'I-X'],
};

const products = () => addon().libtorch.products.map(({ library }) => library);

async function factsOf(options: CreateOptions = {}, config = MODEL) {
  const model = await TokenClassifier.create(config, { device: 'cpu', threads: 1, ...options });
  try {
    return (await model.deviceFacts()).matmul;
  } finally {
    await model.dispose();
  }
}

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'permafrost-matmul-'));
  vi.stubEnv('PERMAFROST_CACHE', cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

const kept = () => readdirSync(join(cache, 'products')).map((name) => join(cache, 'products', name));

describe('what multiplies large matrices on a CPU', () => {
  it('is measured once and kept, and measured anew where the file is damaged', async () => {
    const measured = await factsOf();
    expect(measured).toMatchObject({ origin: 'measured', reason: null, threads: 1 });
    expect(products()).toContain(measured!.library);
    expect(await factsOf()).toEqual({ ...measured, origin: 'kept' });
    expect(kept()).toHaveLength(1);
    writeFileSync(kept()[0]!, 'damaged');
    expect((await factsOf())?.origin).toBe('measured');
    expect((await factsOf())?.origin).toBe('kept');
  });

  it('is one choice for processes that start together', async () => {
    const script = `
      import { TokenClassifier } from '${BUILT_INDEX}';
      const model = await TokenClassifier.create(${JSON.stringify(MODEL)}, { device: 'cpu', threads: 1 });
      console.log(JSON.stringify((await model.deviceFacts()).matmul));
      await model.dispose();`;
    const runs = await Promise.all([1, 2, 3].map(() => runChild(script)));
    const facts = runs.map(({ stdout }) => JSON.parse(stdout) as { library: string; origin: string });
    expect(new Set(facts.map(({ library }) => library)).size).toBe(1);
    expect(facts.filter(({ origin }) => origin === 'measured')).toHaveLength(1);
    expect(facts.filter(({ origin }) => origin === 'kept')).toHaveLength(2);
  });

  it('is the usual one, with the reason, where a measurement cannot be kept or could not pay', async () => {
    writeFileSync(join(cache, 'products'), 'a file where the directory belongs');
    const unkept = await factsOf();
    expect(unkept).toMatchObject({ library: products()[0], origin: 'usual' });
    expect(unkept?.reason).toContain(join(cache, 'products'));
    expect(await factsOf({}, { ...MODEL, intermediateSize: 128 })).toMatchObject({
      origin: 'usual',
      reason: expect.stringContaining('too small'),
    });
  });

  it('is what the option or the environment names, the option first', async () => {
    for (const matmul of products()) {
      expect(await factsOf({ matmul })).toMatchObject({ library: matmul, origin: 'forced' });
    }
    vi.stubEnv('PERMAFROST_MATMUL', 'own');
    expect(await factsOf()).toMatchObject({ library: 'own', origin: 'forced' });
    expect(await factsOf({ matmul: 'libtorch' })).toMatchObject({ library: 'libtorch', origin: 'forced' });
    vi.stubEnv('PERMAFROST_MATMUL', 'abacus');
    expect(await thrownBy(() => factsOf())).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/PERMAFROST_MATMUL.*auto, libtorch, onednn, own.*'abacus'/),
    });
  });

  it('gives the same logits by every library, within rounding', async () => {
    const batch = { inputIds: [Array.from({ length: 60 }, (_, i) => i % 32), [2, 9, 3]] };
    // Wide enough for libraries, with rows enough.
    const config = { ...MODEL, hiddenSize: 384, numHeads: 6, intermediateSize: 1024 };
    const logits: Float32Array[] = [];
    for (const matmul of products()) {
      const model = await TokenClassifier.create(config, { device: 'cpu', seed: 3, matmul });
      logits.push(await model.logits(batch).then(({ data }) => data));
      await model.dispose();
    }
    for (const other of logits.slice(1)) {
      other.forEach((value, i) => {
        expect(Math.abs(value - logits[0]![i]!)).toBeLessThan(1e-4);
      });
    }
  });
});
