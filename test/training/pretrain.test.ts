import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainWordPiece } from '../../src/entries/data.js';
import {
  MaskedLanguageModel,
  type PretrainEvent,
  type PretrainOptions,
  pretrain,
  TokenClassifier,
} from '../../src/index.js';
import { BUILT_INDEX, builtEntry, runChild } from '../helpers/child.js';
import { thrownBy } from '../helpers/thrown.js';

// Each word decides the next, so that a model which sees both sides can do better than guess.
const WORDS = ['red', 'green', 'blue', 'white', 'black', 'brown', 'pink', 'grey'];
const ROWS = Array.from({ length: 60 }, (_, row) =>
  Array.from({ length: 6 + (row % 5) }, (_, i) => WORDS[(row + i) % WORDS.length]!),
);
const SHAPE = {
  hiddenSize: 16,
  numLayers: 2,
  numHeads: 2,
  intermediateSize: 32,
  maxPositions: 32,
  initializerRange: 0.1,
  hiddenDropout: 0.1,
  attentionDropout: 0.1,
};
const tokenizer = trainWordPiece(ROWS.flat(), { vocabSize: 60, lowercase: true });
const text = { train: ROWS.slice(10), validation: ROWS.slice(0, 10) };
const settings = {
  ...text,
  epochs: 3,
  batchTokens: 64,
  gradientAccumulation: 2,
  optimizer: { learningRate: 1e-2 },
} satisfies Omit<PretrainOptions, 'model'>;

const create = () =>
  MaskedLanguageModel.create({ ...SHAPE, vocabSize: tokenizer.vocabSize }, { tokenizer, threads: 1 });

async function weightsOf(model: MaskedLanguageModel): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const { name } of model.parameters()) weights.set(name, await model.readParameter(name));
  return weights;
}

let directory: string;
let counter = 0;
const fresh = () => join(directory, `run-${counter++}`);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'permafrost-pretrain-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('pretraining', () => {
  it('learns, measures on the same hidden tokens after every epoch, and keeps the best weights', async () => {
    const config = { ...SHAPE, vocabSize: tokenizer.vocabSize, hiddenDropout: 0, attentionDropout: 0 };
    await using model = await MaskedLanguageModel.create(config, { tokenizer });
    const events: PretrainEvent[] = [];
    const run = pretrain({ model, ...settings, gradientAccumulation: 1, epochs: 50 });
    for await (const event of run) events.push(event);
    const result = await run.result;
    const validations = events.filter((event) => event.type === 'evaluation').map(({ metrics }) => metrics);
    expect(validations).toHaveLength(50);
    // Words are eight; who guesses has a loss of ln 8.
    expect(validations.at(-1)!.loss).toBeLessThan(Math.log(8) - 0.15);
    const losses = validations.map(({ loss }) => loss);
    expect(result.bestLoss).toBe(Math.min(...losses));
    expect(result.bestEpoch).toBe(losses.indexOf(result.bestLoss) + 1);
    expect(result.epochs[3]).toMatchObject({
      epoch: 4,
      validation: { loss: losses[3], perplexity: Math.exp(losses[3]!) },
    });
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map(({ loss }) => loss)).toEqual(result.losses);
    expect(steps.at(-1)!.step).toBe(steps.at(-1)!.totalSteps);
    expect(result.tokens).toBe(steps.reduce((sum, { tokens }) => sum + tokens, 0));
    expect(events.at(-1)).toEqual({ type: 'done', result });
  });

  it('gives the same bits for the same seed and others for another', async () => {
    const outcome = async (seed: number) => {
      await using model = await create();
      const { losses, epochs } = await pretrain({ model, ...settings, seed }).result;
      return {
        losses,
        validation: epochs.map(({ validation }) => validation),
        weights: await weightsOf(model),
      };
    };
    const [first, again, other] = [await outcome(1), await outcome(1), await outcome(2)];
    expect(again).toEqual(first);
    expect(other.losses).not.toEqual(first.losses);
  });

  it('goes on where it was stopped and ends in the same bits', async () => {
    await using straight = await create();
    const expected = await pretrain({ model: straight, ...settings }).result;
    // In the middle of an epoch, after an update of two batches.
    const stopAt = expected.epochs.length * 2 + 3;
    expect(stopAt).toBeLessThan(expected.steps);
    const folder = fresh();
    const controller = new AbortController();
    await using stopped = await create();
    const run = pretrain({
      model: stopped,
      ...settings,
      directory: folder,
      saveSteps: 1,
      signal: controller.signal,
    });
    const stop = (async () => {
      for await (const event of run) if (event.type === 'step' && event.step === stopAt) controller.abort();
    })();
    await expect(stop).rejects.toThrow();

    await using resumed = await create();
    const events: PretrainEvent[] = [];
    const second = pretrain({ model: resumed, ...settings, directory: folder, saveSteps: 1 });
    for await (const event of second) events.push(event);
    const result = await second.result;
    expect(events.find((event) => event.type === 'resume')!.step).toBeGreaterThanOrEqual(stopAt);
    expect(result.losses).toEqual(expected.losses);
    expect(result.bestLoss).toBe(expected.bestLoss);
    expect(result.tokens).toBe(expected.tokens);
    expect(result.resumed).toBe(true);
    expect(await weightsOf(resumed)).toEqual(await weightsOf(straight));
    await using best = await MaskedLanguageModel.load(join(folder, 'best'), { threads: 1 });
    expect(await weightsOf(best)).toEqual(await weightsOf(straight));
    // What is finished is not trained again.
    await using finished = await create();
    const third = await pretrain({ model: finished, ...settings, directory: folder }).result;
    expect(third.losses).toEqual(expected.losses);
    expect(await weightsOf(finished)).toEqual(await weightsOf(straight));
  });

  it('survives SIGKILL at any step', async () => {
    const source = (folder: string, killAt: number) => `
      import { MaskedLanguageModel, pretrain } from ${JSON.stringify(BUILT_INDEX)};
      import { trainWordPiece } from ${JSON.stringify(builtEntry('data'))};
      const rows = ${JSON.stringify(ROWS)};
      const tokenizer = trainWordPiece(rows.flat(), { vocabSize: 60, lowercase: true });
      const model = await MaskedLanguageModel.create(
        { ...${JSON.stringify(SHAPE)}, vocabSize: tokenizer.vocabSize }, { tokenizer, threads: 1 });
      const run = pretrain({ model, ...${JSON.stringify(settings)}, directory: ${JSON.stringify(folder)}, saveSteps: 1 });
      for await (const event of run) {
        if (event.type === 'step' && event.step === ${killAt}) process.kill(process.pid, 'SIGKILL');
      }
      console.log(JSON.stringify((await run.result).losses));
      await model.dispose();`;
    const [whole, killed] = [fresh(), fresh()];
    const reference = await runChild(source(whole, -1));
    expect(reference.code, reference.stderr).toBe(0);
    for (const killAt of [2, 6]) expect((await runChild(source(killed, killAt))).signal).toBe('SIGKILL');
    const last = await runChild(source(killed, -1));
    expect(last.code, last.stderr).toBe(0);
    expect(JSON.parse(last.stdout)).toEqual(JSON.parse(reference.stdout));
    const weights = (folder: string) => readFile(join(folder, 'best', 'model.safetensors'));
    expect(await weights(killed)).toEqual(await weights(whole));
  });

  it('leaves frozen layers alone', async () => {
    await using model = await create();
    const before = await weightsOf(model);
    await pretrain({ model, ...settings, freezing: 'bottom-up:1' }).result;
    for (const [name, values] of await weightsOf(model)) {
      const isFrozen = name.startsWith('bert.embeddings.') || name.startsWith('bert.encoder.layer.0.');
      if (isFrozen) expect(values, name).toEqual(before.get(name));
    }
    expect(await model.readParameter('cls.predictions.bias')).not.toEqual(before.get('cls.predictions.bias'));
  });

  it('makes a model that a token classifier starts from', async () => {
    const folder = fresh();
    await using model = await create();
    await pretrain({ model, ...settings, epochs: 1, directory: folder }).result;
    await using classifier = await TokenClassifier.load(join(folder, 'best'), { labels: ['O', 'B-X'] });
    expect(classifier.loadReport.fresh).toEqual(['classifier.weight', 'classifier.bias']);
    expect(classifier.tokenizer!.digest).toBe(tokenizer.digest);
  });

  it('cuts long rows instead of losing their ends', async () => {
    await using model = await create();
    const row = Array.from({ length: 100 }, (_, i) => WORDS[i % WORDS.length]!);
    const { examples, tokens } = await pretrain({ model, train: [row], validation: [row], epochs: 1 }).result;
    const subTokens = row.reduce((sum, word) => sum + tokenizer.wordPieces(word).length, 0);
    expect(examples.train).toBe(Math.ceil(subTokens / 30));
    expect(tokens).toBe(subTokens + 2 * examples.train);
  });
});

describe('a pretraining that cannot be', () => {
  it('refuses a tokenizer of another vocabulary than the weights', async () => {
    await using model = await MaskedLanguageModel.create(
      { ...SHAPE, vocabSize: tokenizer.vocabSize + 8 },
      { tokenizer },
    );
    const error = await thrownBy(() => pretrain({ model, ...settings }).result);
    expect(error).toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      details: { expected: tokenizer.vocabSize + 8, got: tokenizer.vocabSize },
    });
  });

  it('refuses the state of another training, and a damaged one', async () => {
    const folder = fresh();
    await using model = await create();
    await pretrain({ model, ...settings, epochs: 1, directory: folder }).result;
    await using other = await create();
    const differing = await thrownBy(
      () => pretrain({ model: other, ...settings, epochs: 2, directory: folder }).result,
    );
    expect(differing).toMatchObject({
      code: 'RUN_MISMATCH',
      message: expect.stringContaining('`epochs` 1 there, 2 now'),
    });
    const state = join(folder, 'last', 'state.safetensors');
    expect(existsSync(state)).toBe(true);
    writeFileSync(state, (await readFile(state)).subarray(0, 1000));
    const damaged = await thrownBy(
      () => pretrain({ model: other, ...settings, epochs: 1, directory: folder }).result,
    );
    expect(damaged.code).toBe('WEIGHTS_FORMAT');
  });

  it('names each wrong option', async () => {
    await using model = await create();
    const error = await thrownBy(() => pretrain({ model, train: [], validation: ROWS, maskRate: 1 }).result);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { options: ['train', 'maskRate'] } });
    const missing = await thrownBy(() => pretrain({ model, ...settings, maxLength: 64 }).result);
    expect(missing).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('32 positions'),
    });
    const empty = await thrownBy(() => pretrain({ model, ...settings, train: [['\u200b']] }).result);
    expect(empty).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('nothing') });
  });
});
