import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_CODES, PermafrostError, TokenClassifier } from '../../src/index.js';
import { addon, type NativeConfig, type NativeEngine } from '../../src/native/addon.js';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, bytesOf, longBatch, TINY, withModel } from '../helpers/with-model.js';

const CONFIG: NativeConfig = {
  modelType: 'bert',
  head: 'token-classification',
  vocabSize: 50,
  embeddingSize: 16,
  hiddenSize: 16,
  numLayers: 2,
  numHeads: 2,
  intermediateSize: 32,
  maxPositions: 24,
  typeVocabSize: 2,
  padTokenId: 0,
  numLabels: 3,
  hiddenAct: 'gelu',
  layerNormEps: 1e-12,
  hiddenDropout: 0,
  attentionDropout: 0,
  classifierDropout: 0,
  initializerRange: 0.02,
  relativePositions: null,
};
const TRAINER = {
  learningRate: 1e-3,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  maxGradNorm: 1,
  schedule: 'constant',
  warmupSteps: 0,
  totalSteps: 0,
  layerDecay: 1,
  headLearningRate: 1e-3,
  trackGradientL1: false,
  loss: { classWeights: new Float32Array(), labelSmoothing: 0, focalGamma: 0 },
  gradientAccumulation: 1,
  gradientShards: 0,
  seed: 1,
  frozenDropout: true,
  graphs: true,
  readBackEvery: 8,
};

/** What a native call throws or rejects with. */
async function codeOf(action: () => unknown): Promise<{ code: unknown; message: string }> {
  try {
    await action();
  } catch (error) {
    return error as { code: unknown; message: string };
  }
  throw new Error('expected an error, and none was thrown');
}

/** Runs a CommonJS worker; gives what it posted and its exit code. */
function runWorker(body: string): Promise<{ messages: unknown[]; exitCode: number }> {
  const source = `const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(BUILT_INDEX)}).then(async (permafrost) => { ${body} })
      .catch((error) => { parentPort.postMessage(String(error?.stack)); process.exit(3); });`;
  return new Promise((settle, reject) => {
    const worker = new Worker(source, { eval: true });
    const messages: unknown[] = [];
    worker.on('message', (message) => messages.push(message));
    worker.on('error', reject);
    worker.on('exit', (exitCode) => settle({ messages, exitCode }));
  });
}

describe('the surface of the addon', () => {
  it('has the codes of ERROR_CODES, in their order', () => {
    expect(addon().errorCodes).toEqual([...ERROR_CODES]);
  });

  it('says how many cores there are and which libtorch it runs on', () => {
    expect(addon().availableCores).toBeGreaterThanOrEqual(1);
    expect(addon().libtorch.loadedVersion).toBe(addon().libtorch.builtVersion);
  });
});

describe('errors of the engine', () => {
  it('are PermafrostErrors whose stack leads to the call', async () => {
    await withModel(async (model) => {
      const error = await thrownBy(async function theCallThatFails() {
        await model.logits({ inputIds: Int32Array.of(1, 2), cuSeqlens: Int32Array.of(0, 1) });
      });
      expect(error).toBeInstanceOf(PermafrostError);
      expect(error.code).toBe('INVALID_BATCH');
      expect(error.stack).toContain(error.message);
      expect(error.stack).toContain('theCallThatFails');
      expect(error.stack).toContain('border.test.ts');
    });
  });

  it('name parameters that there are not', async () => {
    await withModel(async (model) => {
      const error = await thrownBy(() => model.readParameter('classifier.wieght'));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toContain("'classifier.wieght'");
    });
  });

  it('call a CUDA device that is not there DEVICE_UNAVAILABLE, and another word INVALID_OPTION', async () => {
    const wrong = await thrownBy(() => TokenClassifier.create(TINY, { device: 'tpu' }));
    expect(wrong.code).toBe('INVALID_OPTION');
    expect(wrong.message).toMatch(/device: expected 'cpu', 'cuda', 'cuda:<number>' or 'auto', got 'tpu'/);
    const malformed = await thrownBy(() => TokenClassifier.create(TINY, { device: 'cuda:x' }));
    expect(malformed.code).toBe('INVALID_OPTION');
    if (addon().libtorch.hasCuda) return;
    const missing = await thrownBy(() => TokenClassifier.create(TINY, { device: 'cuda:0' }));
    expect(missing.code).toBe('DEVICE_UNAVAILABLE');
    expect(missing.message).toContain("Use device 'cpu'");
  });

  it('call a model that no memory holds OUT_OF_MEMORY, with a remedy, and leave the process sound', async () => {
    const error = await thrownBy(() =>
      TokenClassifier.create({ ...TINY, vocabSize: 2e9, hiddenSize: 2 ** 10 }, { threads: 1 }),
    );
    expect(error.code).toBe('OUT_OF_MEMORY');
    expect(error.message).toMatch(/smaller/);
    await withModel(async (model) => expect((await model.logits(BATCH)).shape).toEqual([9, 3]));
  });
});

describe('what crosses the border', () => {
  let engine: NativeEngine;
  beforeEach(async () => {
    engine = new (addon().Engine)(1);
    await engine.createModel(CONFIG, 'cpu', 'fused', 'fp32', false, 'auto', '');
    await engine.initialise(1, []);
  });
  afterEach(() => engine.dispose());

  it.each(Object.keys(CONFIG))(
    'refuses a model whose config.%s is missing or of another type',
    async (field) => {
      const { [field as keyof NativeConfig]: _, ...rest } = CONFIG;
      // null says that attention is not disentangled, and nothing elsewhere.
      const none = field === 'relativePositions' ? [] : [{ ...CONFIG, [field]: null }];
      for (const wrong of [rest, { ...CONFIG, [field]: Symbol.iterator }, ...none]) {
        const error = await codeOf(() =>
          engine.createModel(wrong as NativeConfig, 'cpu', 'fused', 'fp32', false, 'auto', ''),
        );
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toContain(`config.${field}`);
        expect(error.message).toMatch(/expected an? .*, got (undefined|null|symbol|a symbol)/);
      }
    },
  );

  it.each(Object.keys(TRAINER))('refuses a trainer whose %s is missing or of another type', async (field) => {
    const { [field as keyof typeof TRAINER]: _, ...rest } = TRAINER;
    for (const wrong of [rest, { ...TRAINER, [field]: [] }]) {
      const error = await codeOf(() => engine.createTrainer(wrong as never));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toContain(field);
    }
  });

  it('refuses a schedule of another name, fractions where whole numbers belong, and unknown kernels', async () => {
    const schedule = await codeOf(() => engine.createTrainer({ ...TRAINER, schedule: 'step' } as never));
    expect(schedule).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining("'step'") });
    const steps = await codeOf(() => engine.createTrainer({ ...TRAINER, totalSteps: 1.5 } as never));
    expect(steps).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('1.5') });
    const kernels = await codeOf(() => engine.createModel(CONFIG, 'cpu', 'fast', 'fp32', false, 'auto', ''));
    expect(kernels).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining("'fast'") });
  });

  it('refuses calls without arguments', async () => {
    const methods = [
      'createModel',
      'initialise',
      'writeParameter',
      'readParameter',
      'freeze',
      'createTrainer',
    ];
    for (const method of [
      ...methods,
      'step',
      'gradients',
      'logits',
      'loss',
      'predict',
      'gemmFloor',
      'position',
      'seek',
      'expectBatches',
      'readMoments',
      'writeMoments',
      'momentSteps',
      'dumpTensors',
      'cancel',
    ]) {
      const call = (engine as unknown as Record<string, () => unknown>)[method]!.bind(engine);
      expect((await codeOf(call)).code, method).toMatch(/^INVALID_/);
    }
    expect((await codeOf(() => new (addon().Engine as unknown as new () => unknown)())).code).toBe(
      'INVALID_OPTION',
    );
  });

  it('refuses a batch whose arrays are not what they must be', async () => {
    const cuSeqlens = Int32Array.of(0, 2);
    const cases: [unknown, RegExp][] = [
      [null, /batch: expected an object/],
      [{ inputIds: [1, 2], cuSeqlens }, /batch\.inputIds: expected an Int32Array/],
      [{ inputIds: Uint32Array.of(1, 2), cuSeqlens }, /batch\.inputIds: expected an Int32Array/],
      [{ inputIds: Int32Array.of(1, 2) }, /batch\.cuSeqlens: expected an Int32Array/],
      [{ inputIds: Int32Array.of(1, 2), cuSeqlens, labels: Int32Array.of(1) }, /batch\.labels .* 2, got 1/],
      [{ inputIds: Int32Array.of(1, 2), cuSeqlens, labels: null }, /batch\.labels: expected an Int32Array/],
    ];
    for (const [batch, message] of cases) {
      const error = await codeOf(() => engine.logits(batch as never));
      expect(error).toMatchObject({ code: 'INVALID_BATCH', message: expect.stringMatching(message) });
    }
  });

  it('refuses to dump what it does not know', async () => {
    await engine.createTrainer(TRAINER as never);
    const dump = (kinds: unknown, names: unknown, dtype = 'F32') =>
      codeOf(() => engine.dumpTensors(1, 1, kinds as never, names as never, dtype as never));
    const cases: [Promise<unknown>, RegExp][] = [
      [dump([0], ['classifier.bias']), /kinds: expected a Uint8Array/],
      [dump(Uint8Array.of(0), 'classifier.bias'), /names: expected an array of strings/],
      [dump(Uint8Array.of(0), [1]), /names: expected a string/],
      [dump(Uint8Array.of(4), ['classifier.bias']), /kinds: expected a number below 4 for each of 1 names/],
      [
        dump(Uint8Array.of(0, 0), ['classifier.bias']),
        /kinds: expected a number below 4 for each of 1 names/,
      ],
    ];
    for (const [refused, message] of cases) {
      expect(await refused).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(message),
      });
    }
    expect(await dump(Uint8Array.of(0), ['classifier.bias'], 'I8')).toMatchObject({ code: 'WEIGHTS_FORMAT' });
  });

  it('passes on what a getter of the caller throws', async () => {
    const own = new Error('mine');
    const batch = {
      get inputIds(): Int32Array {
        throw own;
      },
      cuSeqlens: Int32Array.of(0, 2),
    };
    expect(await codeOf(() => engine.logits(batch))).toBe(own);
  });

  it('throws on a wrong receiver instead of crashing', async () => {
    const { prototype } = addon().Engine;
    // An object that another addon has wrapped, and one that only looks like an engine.
    const foreign = new (await import('@anush008/tokenizers')).AddedToken('x', false);
    const impostor = Object.create(prototype);
    const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
    expect(names).toContain('step');
    for (const name of names) {
      const { value: method } = Object.getOwnPropertyDescriptor(prototype, name)!;
      expect(method, `${name} is a method, whose receiver Node checks`).toBeTypeOf('function');
      for (const receiver of [
        undefined,
        null,
        1,
        'x',
        {},
        [],
        prototype,
        addon().Engine,
        foreign,
        impostor,
      ]) {
        expect(() => method.call(receiver, 1), name).toThrow();
      }
    }
    expect(() => (addon().Engine as unknown as (threads: number) => void)(1)).toThrow();
  });

  it('settles a second disposal, and refuses calls after the first', async () => {
    const other = new (addon().Engine)(1);
    await Promise.all([other.dispose(), other.dispose()]);
    await other.dispose();
    expect((await codeOf(() => other.readParameter('x'))).code).toBe('DISPOSED');
  });

  it('asks for a model before anything else', async () => {
    const empty = new (addon().Engine)(1);
    expect((await codeOf(() => empty.readParameter('x'))).code).toBe('INTERNAL');
    await empty.dispose();
  });
});

describe('a batch', () => {
  it('may be reused by the caller as soon as the call has returned', async () => {
    await withModel(async (model) => {
      const batch = { inputIds: Int32Array.of(2, 7, 8, 3), cuSeqlens: Int32Array.of(0, 4) };
      const expected = await model.logits(batch);
      const pending = model.logits(batch);
      batch.inputIds.fill(-7);
      batch.cuSeqlens.fill(99);
      expect(bytesOf((await pending).data)).toBe(bytesOf(expected.data));
    });
  });

  it('does not occupy the event loop while it is computed', async () => {
    await withModel(
      async (model) => {
        const delays: number[] = [];
        let last = performance.now();
        const timer = setInterval(() => {
          delays.push(performance.now() - last);
          last = performance.now();
        }, 5);
        const started = performance.now();
        await model.predict([longBatch(192, 128, 50)]);
        const seconds = (performance.now() - started) / 1000;
        clearInterval(timer);
        // The computation takes many timer periods, and no two ticks lie as far apart as it lasts.
        expect(seconds).toBeGreaterThan(0.1);
        expect(delays.length).toBeGreaterThan(5);
        expect(Math.max(...delays) / 1000).toBeLessThan(seconds / 2);
      },
      { hiddenSize: 128, intermediateSize: 512, maxPositions: 128 },
    );
  });
});

const WORK = `
  const model = await permafrost.TokenClassifier.create(${JSON.stringify({ ...TINY, hiddenSize: 32 })}, { threads: 1, seed: 3 });
  const trainer = await model.trainer({ learningRate: 1e-3 });
  const losses = [];
  for (let i = 0; i < 5; i++) losses.push((await trainer.step(${JSON.stringify(BATCH)})).loss);`;

describe('worker threads', () => {
  it('each have engines of their own at the same time, with the same results', async () => {
    const [first, second] = await Promise.all([
      runWorker(`${WORK} await model.dispose(); parentPort.postMessage(losses);`),
      runWorker(`${WORK} await model.dispose(); parentPort.postMessage(losses);`),
    ]);
    expect(first).toEqual({ messages: [expect.any(Array)], exitCode: 0 });
    expect(first.messages[0]).toHaveLength(5);
    expect(second).toEqual(first);
  });

  it('end although their engines were not disposed and are at work', async () => {
    const { exitCode, messages } = await runWorker(`${WORK}
      for (let i = 0; i < 50; i++) trainer.step(${JSON.stringify(BATCH)}).catch(() => {});
      parentPort.postMessage('left'); process.exit(0);`);
    expect({ exitCode, messages }).toEqual({ exitCode: 0, messages: ['left'] });
    await withModel(async (model) => expect((await model.logits(BATCH)).shape).toEqual([9, 3]));
  });

  it('may be terminated while an engine computes', async () => {
    const source = `const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(BUILT_INDEX)}).then(async (permafrost) => { ${WORK}
        for (;;) { const step = trainer.step(${JSON.stringify(BATCH)}); parentPort.postMessage('step'); await step; } });`;
    const worker = new Worker(source, { eval: true });
    await new Promise((settle) => worker.once('message', settle));
    expect(await worker.terminate()).toBe(1);
  });
});

describe('a process', () => {
  const create = `import { TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
    const model = await TokenClassifier.create(${JSON.stringify({ ...TINY, hiddenSize: 64, maxPositions: 128 })}, { threads: 1 });
    const batch = ${JSON.stringify(longBatch(16, 128, 50))};`;

  it('exits cleanly at process.exit while one call runs and others wait', async () => {
    const result = await runChild(`${create}
      for (let i = 0; i < 50; i++) model.predict([batch, batch, batch]).catch(() => {});
      setTimeout(() => { console.log('leaving'); process.exit(0); }, 50);`);
    expect(result).toEqual({ code: 0, signal: null, stdout: 'leaving\n', stderr: '' });
  });

  it('lives until the calls are done, and then ends with the engine idle and not disposed', async () => {
    const result = await runChild(`${create}
      model.predict([batch]).then(([labels]) => console.log(labels.length));`);
    expect(result).toEqual({ code: 0, signal: null, stdout: `${16 * 128}\n`, stderr: '' });
  });

  it('goes on when the only worker that loaded the addon has ended', async () => {
    const result = await runChild(`import { Worker } from 'node:worker_threads';
      const source = ${JSON.stringify(`import(${JSON.stringify(BUILT_INDEX)}).then(async (permafrost) => { ${WORK} await model.dispose(); });`)};
      for (let round = 0; round < 2; round++) {
        const code = await new Promise((settle) => new Worker(source, { eval: true }).on('exit', settle));
        console.log(code);
      }`);
    expect(result).toEqual({ code: 0, signal: null, stdout: '0\n0\n', stderr: '' });
  });

  it('ends by an uncaught error of the caller as usual', async () => {
    const result = await runChild(`${create}
      model.predict([batch, batch]); throw new Error('on purpose');`);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('on purpose');
  });
});
