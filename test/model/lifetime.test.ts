import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type EncodedDataset, packRagged } from '../../src/entries/data.js';
import { PrefixStore } from '../../src/entries/training.js';
import { bottomUp, type PackedBatch, type RaggedBatch, TokenClassifier } from '../../src/index.js';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, bytesOf, longBatch, TINY, withModel } from '../helpers/with-model.js';

const create = (options = {}) => TokenClassifier.create(TINY, { threads: 1, ...options });
/** Keeps a model busy long enough for other calls to queue up behind it. */
const BUSY = Array.from({ length: 24 }, () => longBatch(64, 24, 50));

/** Batches that tell how far the engine has come with them: it asks the store for each of their sequences. */
class Watched {
  readonly batches: PackedBatch[] = [];
  readonly store: PrefixStore;
  readonly sequences: number;

  private constructor(batches: readonly RaggedBatch[], hiddenSize: number) {
    let sequences = 0;
    for (const batch of batches) {
      const examples = Int32Array.from(batch.inputIds, () => sequences++);
      this.batches.push({ ...packRagged(batch), examples });
    }
    this.sequences = sequences;
    const lengths = batches.flatMap(({ inputIds }) => inputIds.map((row) => row.length));
    let tokens = 0;
    const offsets = Int32Array.from([0, ...lengths], (length) => {
      tokens += length;
      return tokens;
    });
    // Nothing is kept, so that all of them are looked for in vain.
    const options = { hiddenSize, depths: [1], memoryBytes: 0 };
    this.store = new PrefixStore({ offsets } as EncodedDataset, options);
  }

  /** Freezes a prefix of one layer, which is where a batch begins. */
  static async by(model: TokenClassifier, batches: readonly RaggedBatch[]): Promise<Watched> {
    await model.freeze(bottomUp(1).plan(model.config.numLayers));
    return new Watched(batches, model.config.hiddenSize);
  }

  /** Number of sequences that the engine has begun with. */
  get begun(): number {
    return this.store.usage().misses;
  }

  /** Waits until the engine is at work on the first ones. */
  async underWay(): Promise<void> {
    while (this.begun === 0) await nextTurn();
  }
}

describe('disposal', () => {
  it('may be asked for again and again', async () => {
    const model = await create();
    await Promise.all([model.dispose(), model.dispose()]);
    await model.dispose();
  });

  it('waits for the running call and refuses the waiting ones', async () => {
    const model = await create();
    const settled: string[] = [];
    const watched = await Watched.by(model, BUSY);
    const running = model.predict(watched.batches, { store: watched.store }).then((labels) => {
      settled.push('predicted');
      return labels;
    });
    await watched.underWay();
    const waiting = [model.logits(BATCH), model.readParameter('classifier.bias'), model.memory()];
    const refusals = Promise.allSettled(waiting);
    const disposed = model.dispose().then(() => settled.push('disposed'));
    expect(watched.begun).toBeLessThan(watched.sequences);
    await disposed;
    expect((await running).length).toBe(BUSY.length);
    expect(settled).toEqual(['predicted', 'disposed']);
    for (const refusal of await refusals) {
      expect(refusal).toMatchObject({
        status: 'rejected',
        reason: { name: 'PermafrostError', code: 'DISPOSED' },
      });
    }
  });

  it('ends every use of the model and its trainer with DISPOSED', async () => {
    const model = await create();
    const trainer = await model.trainer();
    await model.dispose();
    const uses: Record<string, () => Promise<unknown>> = {
      logits: () => model.logits(BATCH),
      predict: () => model.predict([BATCH]),
      freeze: () => model.freeze({ embeddings: true, layers: [true, false, false, false] }),
      readParameter: () => model.readParameter('classifier.bias'),
      trainer: () => model.trainer(),
      step: () => trainer.step(BATCH),
      gradients: () => trainer.gradients(BATCH),
      takeSnapshot: () => model.takeSnapshot(),
      restoreSnapshot: () => model.restoreSnapshot(),
      memory: () => model.memory(),
      save: () => model.save(join(tmpdir(), 'permafrost-never-written')),
    };
    for (const [name, use] of Object.entries(uses)) {
      const error = await thrownBy(use);
      expect(error.code, name).toBe('DISPOSED');
      expect(error.message, name).toMatch(/load it again/);
    }
    // What needs no engine still answers.
    expect(model.parameters().length).toBeGreaterThan(0);
    expect(model.labels).toEqual(TINY.labels);
  });

  it('happens at the end of an `await using` block', async () => {
    let escaped: TokenClassifier;
    {
      await using model = await create();
      escaped = model;
      expect((await model.logits(BATCH)).shape).toEqual([9, 3]);
    }
    expect((await thrownBy(() => escaped.logits(BATCH))).code).toBe('DISPOSED');
  });

  it('frees the engine of a model that could not be made', async () => {
    // Fails after the engine's thread has started; a leaked one would keep the process from ending.
    const result = await runChild(`import { TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
      for (let i = 0; i < 5; i++) {
        await TokenClassifier.create({ ...${JSON.stringify(TINY)}, hiddenAct: 'swish' }).catch((error) => console.log(error.code));
      }`);
    expect(result).toMatchObject({ code: 0, stdout: 'UNSUPPORTED_MODEL\n'.repeat(5), stderr: '' });
  });
});

describe('two models at once', () => {
  it('do not disturb each other', async () => {
    const train = async (model: TokenClassifier) => {
      const trainer = await model.trainer({ learningRate: 1e-2, seed: 5 });
      const losses: number[] = [];
      for (let i = 0; i < 5; i++) losses.push((await trainer.step(BATCH)).loss);
      return losses;
    };
    const alone = await withModel(train, { hiddenDropout: 0.1 }, { seed: 7 });
    const together = await Promise.all([
      withModel(train, { hiddenDropout: 0.1 }, { seed: 7 }),
      withModel(train, { hiddenDropout: 0.1 }, { seed: 8 }),
    ]);
    expect(together[0]).toEqual(alone);
    expect(together[1]).not.toEqual(alone);
  });

  it('outlive each other', async () => {
    const [one, other] = await Promise.all([create({ seed: 1 }), create({ seed: 1 })]);
    const before = await other.logits(BATCH);
    await one.dispose();
    expect(bytesOf((await other.logits(BATCH)).data)).toBe(bytesOf(before.data));
    await other.dispose();
  });
});

describe('a trainer', () => {
  it('ends when a later one of the same model begins', async () => {
    await withModel(async (model) => {
      const first = await model.trainer({ learningRate: 1e-3 });
      await first.step(BATCH);
      const second = await model.trainer({ learningRate: 1e-3 });
      for (const use of [() => first.step(BATCH), () => first.gradients(BATCH)]) {
        const error = await thrownBy(use);
        expect(error.code).toBe('DISPOSED');
        expect(error.message).toMatch(/replaced by a later one/);
      }
      expect((await second.step(BATCH)).updated).toBe(true);
    });
  });
});

describe('an AbortSignal', () => {
  /** A signal that counts the listeners it carries. */
  function counted(): { controller: AbortController; listeners: () => number } {
    const controller = new AbortController();
    let count = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      count++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      count--;
      remove(...args);
    };
    return { controller, listeners: () => count };
  }
  const reason = new Error('the user closed the window');

  it('that is aborted beforehand keeps the call from being made', async () => {
    await withModel(async (model) => {
      const signal = AbortSignal.abort(reason);
      const trainer = await model.trainer({ learningRate: 1 });
      const before = await model.readParameter('classifier.bias');
      await expect(trainer.step(BATCH, { signal })).rejects.toBe(reason);
      await expect(model.logits(BATCH, { signal })).rejects.toBe(reason);
      await expect(model.predict([BATCH], { signal })).rejects.toBe(reason);
      expect(bytesOf(await model.readParameter('classifier.bias'))).toBe(bytesOf(before));
    });
  });

  it('takes a waiting call out of the queue, and nothing else', async () => {
    await withModel(async (model) => {
      const { controller, listeners } = counted();
      const trainer = await model.trainer({ learningRate: 0.1 });
      const before = await model.readParameter('classifier.weight');
      const running = model.predict(BUSY);
      const waiting = trainer.step(BATCH, { signal: controller.signal });
      const behind = model.readParameter('classifier.weight');
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      expect((await running).length).toBe(BUSY.length);
      expect(bytesOf(await behind)).toBe(bytesOf(before));
      expect(listeners()).toBe(0);
      expect((await trainer.step(BATCH)).updated).toBe(true);
    });
  });

  it('ends a running prediction between two batches and leaves the model usable', async () => {
    await withModel(async (model) => {
      const { controller, listeners } = counted();
      const many = Array.from({ length: 20 }, () => BUSY).flat();
      const watched = await Watched.by(model, many);
      const { signal } = controller;
      const running = model.predict(watched.batches, { store: watched.store, signal });
      await watched.underWay();
      controller.abort(reason);
      await expect(running).rejects.toBe(reason);
      expect(watched.begun % BUSY[0]!.inputIds.length).toBe(0);
      expect(watched.begun).toBeLessThan(watched.sequences);
      // Nothing of it goes on behind the next call.
      const { begun } = watched;
      expect(listeners()).toBe(0);
      expect((await model.logits(BATCH)).shape).toEqual([9, 3]);
      expect(watched.begun).toBe(begun);
    });
  });

  it('lets a running step finish, and the call still rejects with the reason', async () => {
    await withModel(
      async (model) => {
        const { controller, listeners } = counted();
        const { inputIds } = longBatch(128, 64, 50);
        const labels = inputIds.map((row) => row.map(() => 1));
        const watched = await Watched.by(model, [{ inputIds, labels }]);
        const { store } = watched;
        const trainer = await model.trainer({ learningRate: 0.1, frozenDropout: 'off' });
        const before = await model.readParameter('classifier.bias');
        const step = trainer.step(watched.batches[0]!, { store, signal: controller.signal });
        await watched.underWay();
        controller.abort(reason);
        await expect(step).rejects.toBe(reason);
        // Either it was whole or it did not happen; here it was under way.
        expect(bytesOf(await model.readParameter('classifier.bias'))).not.toBe(bytesOf(before));
        expect(listeners()).toBe(0);
      },
      { hiddenSize: 64, intermediateSize: 256, maxPositions: 64 },
    );
  });

  it('loses its listener when the call is done', async () => {
    await withModel(async (model) => {
      const { controller, listeners } = counted();
      await model.logits(BATCH, { signal: controller.signal });
      expect(listeners()).toBe(0);
      const bad = model.logits({ inputIds: [[999]] }, { signal: controller.signal });
      await expect(bad).rejects.toMatchObject({ code: 'INVALID_BATCH' });
      expect(listeners()).toBe(0);
    });
  });
});

describe('a forgotten model', () => {
  it('is named in a warning and freed without a crash', async () => {
    const result = await runChild(
      `import { TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
       const batch = ${JSON.stringify(BATCH)};
       async function forget() {
         const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { threads: 1 });
         const trainer = await model.trainer();
         await trainer.step(batch);
         model.predict([batch]).catch(() => {});
       }
       const warnings = [];
       process.on('warning', ({ message }) => warnings.push(message));
       for (let i = 0; i < 3; i++) await forget();
       while (warnings.length < 3) { gc(); await new Promise(setImmediate); }
       console.log(warnings.join('\\n'));`,
      ['--expose-gc', '--no-warnings'],
    );
    expect(result).toMatchObject({ code: 0, signal: null });
    const lines = result.stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/model was never disposed; call dispose\(\)/);
  });

  it('that was disposed is not warned of', async () => {
    const result = await runChild(
      `import { TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
       const gone = [];
       const registry = new FinalizationRegistry((what) => gone.push(what));
       const warnings = [];
       process.on('warning', ({ message }) => warnings.push(message));
       async function create(what) {
         const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { threads: 1 });
         registry.register(model, what);
         if (what === 'disposed') await model.dispose();
       }
       // The warning of the one that was forgotten tells that those of the other would have come, too.
       await create('disposed');
       await create('forgotten');
       while (gone.length < 2 || warnings.length < 1) { gc(); await new Promise(setImmediate); }
       gc();
       await new Promise(setImmediate);
       console.log(gone.sort().join(), warnings.length);`,
      ['--expose-gc', '--no-warnings'],
    );
    expect(result).toEqual({ code: 0, signal: null, stdout: 'disposed,forgotten 1\n', stderr: '' });
  });
});

describe('memory', () => {
  it('of gradients and optimizer state belongs to what learns, and is given back when it is frozen', async () => {
    await withModel(async (model) => {
      const bytesOfLearning = () =>
        model.parameters().reduce((sum, { trainable, count }) => sum + (trainable ? 4 * count : 0), 0);
      const total = bytesOfLearning();
      expect(await model.memory()).toMatchObject({ parameters: total, gradients: 0, optimizer: 0 });
      const trainer = await model.trainer();
      await trainer.step(BATCH);
      expect(await model.memory()).toMatchObject({ gradients: total, optimizer: 2 * total });

      await model.freeze({ embeddings: true, layers: [true, true, true, false] });
      const learning = bytesOfLearning();
      expect(learning).toBeLessThan(total / 2);
      expect(await model.memory()).toMatchObject({ gradients: learning, optimizer: 2 * learning });

      await model.freeze({ embeddings: false, layers: [false, false, false, false] });
      expect(await model.memory()).toMatchObject({ gradients: learning, optimizer: 2 * learning });
      await model.trainer();
      expect(await model.memory()).toMatchObject({ optimizer: 0 });
    });
  });
});
