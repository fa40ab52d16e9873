import { describe, expect, it } from 'vitest';
import type { StepEvent } from '../../src/entries/training.js';
import {
  evaluate,
  type FinetuneOptions,
  finetune,
  type Sentence,
  TokenClassifier,
  type TrainingEvent,
} from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';
import { changedNames, weightsOf } from '../helpers/with-model.js';

const task = smallTask();
const { train, validation, test } = task;
const FAST = { learningRate: 5e-3 };

async function withTask<T>(body: (model: TokenClassifier) => Promise<T>, seed = 1): Promise<T> {
  const model = await task.createModel(seed);
  try {
    return await body(model);
  } finally {
    await model.dispose();
  }
}

async function eventsOf(run: AsyncIterable<TrainingEvent>): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

const ofType = <Type extends TrainingEvent['type']>(events: TrainingEvent[], type: Type) =>
  events.filter((event): event is Extract<TrainingEvent, { type: Type }> => event.type === type);

describe('the events of a run', () => {
  it('come in the order of the work, and their figures agree with the result', async () => {
    await withTask(async (model) => {
      const options = { model, train, validation, test, epochs: 2, batchSize: 50, freezing: 'bottom-up:1' };
      const run = finetune({ ...options, optimizer: { ...FAST, warmupRatio: 0.5 } });
      const events = await eventsOf(run);
      const result = await run.result;

      const types = events.map(({ type }) => type).join(' ');
      expect(types).toMatch(/^freeze (step step step epoch evaluation (checkpoint )?){2}evaluation done$/);
      expect(events.at(-1)).toEqual({ type: 'done', result });
      const [freeze] = ofType(events, 'freeze');
      const counts = model.parameters().filter(({ trainable }) => trainable);
      expect(freeze).toMatchObject({
        epoch: 1,
        plan: { embeddings: true, layers: [true, false] },
        frozenPrefix: 1,
        trainableParameters: counts.reduce((sum, { count }) => sum + count, 0),
        // A model of random weights.
        freshParameters: freeze!.totalParameters,
      });
      expect(result.trainableParameters).toBe(freeze!.trainableParameters);

      const steps = ofType(events, 'step');
      expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(steps.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 2, 2, 2]);
      expect(new Set(steps.map(({ totalSteps }) => totalSteps))).toEqual(new Set([6]));
      const rates = steps.map(({ learningRate }) => learningRate / FAST.learningRate);
      for (const [i, rate] of [0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3].entries())
        expect(rates[i]).toBeCloseTo(rate, 12);
      expect(result.losses).toEqual(steps.map(({ loss }) => loss));
      expect(result.steps).toBe(6);
      expect(result.tokens).toBe(steps.reduce((sum, { tokens }) => sum + tokens, 0));

      const epochs = ofType(events, 'epoch');
      expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
      expect(epochs[0]!.tokens).toBe(epochs[1]!.tokens);
      expect(epochs[0]!.trainLoss).toBeCloseTo((steps[0]!.loss + steps[1]!.loss + steps[2]!.loss) / 3, 12);

      const evaluations = ofType(events, 'evaluation');
      expect(evaluations.map(({ split, epoch }) => [split, epoch])).toEqual([
        ['validation', 1],
        ['validation', 2],
        ['test', result.bestEpoch],
      ]);
      expect(result.epochs.map((epoch) => epoch.validation)).toEqual(
        evaluations.slice(0, 2).map((e) => e.metrics),
      );
      expect(result.test).toEqual(evaluations[2]!.metrics);
      const { total, ...phases } = result.seconds;
      expect(Object.values(phases).reduce((sum, seconds) => sum + seconds, 0)).toBeLessThanOrEqual(total);
      for (const [phase, seconds] of Object.entries(phases)) expect(seconds, phase).toBeGreaterThan(0);
    });
  });

  it('need not be listened to', async () => {
    await withTask(async (model) => {
      const result = await finetune({ model, train, validation, epochs: 1, optimizer: FAST }).result;
      expect(result.epochs).toHaveLength(1);
      expect(result.test).toBeNull();
    });
  });

  it('are all seen by every listener, early, late, and by one that left and came back', async () => {
    await withTask(async (model) => {
      const run = finetune({ model, train, validation, epochs: 1, optimizer: FAST });
      const early = eventsOf(run);
      for await (const event of run) if (event.type === 'step') break;
      const [first, second] = await Promise.all([early, eventsOf(run)]);
      await run.result;
      expect(await eventsOf(run)).toEqual(first);
      expect(second).toEqual(first);
      expect(first.at(-1)!.type).toBe('done');
    });
  });
});

describe('a fine-tuned model', () => {
  it('has learned the task', async () => {
    await withTask(async (model) => {
      const before = await evaluate({ model, sentences: train });
      const optimizer = { learningRate: 5e-3, warmupRatio: 0.1 };
      const options = { model, train, validation, optimizer, earlyStopping: false } as const;
      const { losses } = await finetune({ ...options, epochs: 12, batchSize: 8 }).result;
      const after = await evaluate({ model, sentences: train });
      expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
      expect(before.metrics.macro.f1).toBeLessThan(0.1);
      expect(after.metrics.macro.f1).toBeGreaterThan(0.3);
    });
  });

  it('is the same to the bit for the same seed, and another for another', async () => {
    const run = (seed: number) =>
      withTask(async (model) => {
        const result = await finetune({ model, train, validation, epochs: 2, seed, optimizer: FAST }).result;
        return {
          losses: result.losses,
          epochs: result.epochs.map((e) => e.validation),
          weights: await weightsOf(model),
        };
      });
    const [one, same, other] = [await run(1), await run(1), await run(2)];
    expect(same.losses).toEqual(one.losses);
    expect(same.epochs).toEqual(one.epochs);
    expect(changedNames(one.weights, same.weights)).toEqual([]);
    expect(other.losses).not.toEqual(one.losses);
  });

  it('does not change where the strategy freezes it', async () => {
    await withTask(async (model) => {
      const before = await weightsOf(model);
      await finetune({ model, train, validation, epochs: 1, freezing: 'bottom-up:2', optimizer: FAST })
        .result;
      expect(changedNames(before, await weightsOf(model))).toEqual(['classifier.weight', 'classifier.bias']);
    });
  });
});

describe('early stopping', () => {
  it('ends after the tolerated epochs and brings back the weights of the best', async () => {
    await withTask(async (model) => {
      await finetune({ model, train, validation, epochs: 2, batchSize: 8, optimizer: FAST }).result;
      // Wrong tags make the model worse with every epoch.
      const misleading = train.map(({ words }) => ({ words, tags: words.map(() => 'B-PER') }));
      const run = finetune({
        model,
        train: misleading,
        validation,
        test,
        epochs: 12,
        batchSize: 8,
        optimizer: { learningRate: 3e-4, schedule: 'constant' },
        earlyStopping: { metric: 'accuracy', patience: 2 },
      });
      const events = await eventsOf(run);
      const result = await run.result;
      expect(result.stoppedEarly).toBe(true);
      expect(result.epochs.length).toBe(result.bestEpoch + 2);
      const scores = result.epochs.map((epoch) => epoch.validation.accuracy);
      expect(result.bestScore).toBe(Math.max(...scores));
      expect(scores[result.bestEpoch - 1]).toBe(result.bestScore);
      expect(scores.at(-1)!).toBeLessThan(result.bestScore);
      expect(ofType(events, 'checkpoint').at(-1)).toMatchObject({
        epoch: result.bestEpoch,
        score: result.bestScore,
      });

      const again = await evaluate({ model, sentences: validation });
      expect(again.metrics).toEqual(result.epochs[result.bestEpoch - 1]!.validation);
      expect((await evaluate({ model, sentences: test })).metrics).toEqual(result.test);
    });
  });

  it('switched off trains all epochs, and still brings back the best', async () => {
    await withTask(async (model) => {
      const result = await finetune({
        model,
        train: train.slice(0, 40),
        validation,
        epochs: 4,
        optimizer: { learningRate: 0.05, schedule: 'constant' },
        earlyStopping: false,
      }).result;
      expect(result).toMatchObject({ stoppedEarly: false });
      expect(result.epochs).toHaveLength(4);
      const { metrics } = await evaluate({ model, sentences: validation });
      expect(metrics.macro.f1).toBe(result.bestScore);
    });
  });
});

describe('an abort', () => {
  const reason = new Error('enough');

  it('in the middle of an epoch rejects with its reason and leaves the model usable', async () => {
    await withTask(async (model) => {
      const controller = new AbortController();
      const run = finetune({
        model,
        train,
        validation,
        epochs: 3,
        batchSize: 8,
        optimizer: FAST,
        signal: controller.signal,
      });
      const seen: StepEvent[] = [];
      const listening = (async () => {
        for await (const event of run) {
          if (event.type !== 'step') continue;
          seen.push(event);
          if (event.step === 3) controller.abort(reason);
        }
      })();
      await expect(listening).rejects.toBe(reason);
      await expect(run.result).rejects.toBe(reason);
      // Who listens late hears what happened, and then the reason.
      await expect(eventsOf(run)).rejects.toBe(reason);
      expect(seen.length).toBeGreaterThanOrEqual(3);
      expect(seen.length).toBeLessThan(15);
      expect((await evaluate({ model, sentences: validation })).predicted).toHaveLength(validation.length);
      const again = await finetune({ model, train, validation, epochs: 1, optimizer: FAST }).result;
      expect(again.epochs).toHaveLength(1);
    });
  });

  it('beforehand leaves the model as it was', async () => {
    await withTask(async (model) => {
      const signal = AbortSignal.abort(reason);
      const run = finetune({ model, train, validation, freezing: 'bottom-up:2', signal });
      await expect(run.result).rejects.toBe(reason);
      expect(model.parameters().every(({ trainable }) => trainable)).toBe(true);
    });
  });
});

describe('accumulated batches', () => {
  it('make one step each, and the last ones of an epoch make theirs too', async () => {
    await withTask(async (model) => {
      const options = {
        model,
        train: train.slice(0, 35),
        validation,
        epochs: 2,
        optimizer: { ...FAST, maxGradNorm: 0 },
      };
      const run = finetune({ ...options, batchSize: 10, gradientAccumulation: 3 });
      const steps = ofType(await eventsOf(run), 'step');
      // 10 + 10 + 10 and 5, twice.
      expect(steps.map(({ epoch }) => epoch)).toEqual([1, 1, 2, 2]);
      expect(steps.every(({ totalSteps }) => totalSteps === 4)).toBe(true);
      expect(steps[0]!.tokens + steps[1]!.tokens).toBe(steps[2]!.tokens + steps[3]!.tokens);
    });
  });

  it('have the loss and the norm that one batch of all their sentences would have', async () => {
    const stepOf = async (batchSize: number, gradientAccumulation: number) => {
      // Dropout masks go by the row in a batch, so the two are equal only without.
      const model = await task.createModel(1, {
        hiddenDropout: 0,
        attentionDropout: 0,
        classifierDropout: 0,
      });
      const options = { model, train: train.slice(0, 30), validation, epochs: 1, optimizer: FAST };
      const events = await eventsOf(finetune({ ...options, batchSize, gradientAccumulation }));
      await model.dispose();
      return ofType(events, 'step');
    };
    const [whole, parts] = [await stepOf(30, 1), await stepOf(10, 3)];
    expect([whole.length, parts.length]).toEqual([1, 1]);
    expect(parts[0]!.tokens).toBe(whole[0]!.tokens);
    expect(parts[0]!.loss).toBeCloseTo(whole[0]!.loss, 5);
    expect(parts[0]!.gradNorm).toBeCloseTo(whole[0]!.gradNorm, 4);
  });
});

describe('options that are wrong', () => {
  const cases: [string, Record<string, unknown>, string, RegExp][] = [
    [
      'an unknown option',
      { learningRate: 1 },
      'INVALID_OPTION',
      /finetune: there is no option 'learningRate'\./,
    ],
    ['a misspelt option', { batchsize: 8 }, 'INVALID_OPTION', /Did you mean `batchSize`\?/],
    [
      'a misspelt optimizer option',
      { optimizer: { learningrate: 1 } },
      'INVALID_OPTION',
      /there is no option 'optimizer\.learningrate'\. Did you mean `learningRate`\?/,
    ],
    [
      'a misspelt stopping option',
      { earlyStopping: { patients: 1 } },
      'INVALID_OPTION',
      /there is no option 'earlyStopping\.patients'\. Did you mean `patience`\?/,
    ],
    [
      'no patience',
      { earlyStopping: { patience: 0 } },
      'INVALID_OPTION',
      /earlyStopping\.patience`: .*above 0, got 0/,
    ],
    [
      'stopping that is true',
      { earlyStopping: true },
      'INVALID_OPTION',
      /`earlyStopping`: expected an object, got true/,
    ],
    [
      'an unknown metric',
      { earlyStopping: { metric: 'f1' } },
      'INVALID_OPTION',
      /`earlyStopping\.metric`: expected one of macroF1, .*got "f1"/,
    ],
    ['no epochs', { epochs: 0 }, 'INVALID_OPTION', /`epochs`: .*above 0, got 0/],
    [
      'half a sentence a batch',
      { batchSize: 0.5 },
      'INVALID_OPTION',
      /`batchSize`: expected a whole number, got 0\.5/,
    ],
    ['no training data', { train: [] }, 'INVALID_OPTION', /`train`: expected at least one sentence/],
    [
      'no validation data',
      { validation: undefined },
      'INVALID_OPTION',
      /`validation`: expected at least one sentence/,
    ],
    ['another kind of model', { model: {} }, 'INVALID_OPTION', /`model`: expected a TokenClassifier/],
    [
      'a strategy that is none',
      { freezing: 6 },
      'INVALID_OPTION',
      /`freezing`: expected a strategy, or its notation such as 'bottom-up:6'/,
    ],
    ['an unknown notation', { freezing: 'bottomup:1' }, 'INVALID_PLAN', /bottom-up:/],
    ['more frozen layers than there are', { freezing: 'bottom-up:3' }, 'INVALID_PLAN', /3/],
    ['a signal that is none', { signal: {} }, 'INVALID_OPTION', /`signal`: expected an AbortSignal/],
  ];

  it.each(cases)('%s', async (_, options, code, message) => {
    await withTask(async (model) => {
      const before = await weightsOf(model);
      const wrong = { model, train, validation, ...options } as FinetuneOptions;
      const error = await thrownBy(() => finetune(wrong).result);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
    });
  });

  it('reach who iterates, too', async () => {
    await withTask(async (model) => {
      const error = await thrownBy(() => eventsOf(finetune({ model, train: [], validation })));
      expect(error.code).toBe('INVALID_OPTION');
    });
  });
});

describe('data that do not go with the model', () => {
  it('name the sentence whose label the head lacks', async () => {
    await withTask(async (model) => {
      const odd: Sentence = { words: ['Paris', 'sleeps'], tags: ['B-CITY', 'O'] };
      const error = await thrownBy(() => finetune({ model, train: [...train, odd], validation }).result);
      expect(error.code).toBe('LABEL_MISMATCH');
      expect(error.message).toContain('"B-CITY"');
      expect(error.message).toMatch(new RegExp(`\\b${train.length}\\b`));
      expect(error.message).toContain(task.labels.join(', '));
    });
  });

  it('cannot be encoded without a tokenizer', async () => {
    const bare = await TokenClassifier.create(await withTask(async (model) => model.config), { threads: 1 });
    const error = await thrownBy(() => finetune({ model: bare, train, validation }).result);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/has no tokenizer.*tokenizer\.json.*vocab\.txt/);
    await bare.dispose();
  });

  it('are cut to the positions of the model, unless more are asked for', async () => {
    const short = await task.createModel(1, { maxPositions: 8 });
    const error = await thrownBy(() => finetune({ model: short, train, validation, maxLength: 9 }).result);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/`maxLength`: the model has 8 positions, got 9\. Choose at most 8/);
    const { epochs } = await finetune({ model: short, train, validation, epochs: 1 }).result;
    expect(epochs[0]!.validation.counts.truncatedWords).toBeGreaterThan(0);
    await short.dispose();
  });

  it('end with NON_FINITE where the learning rate is absurd', async () => {
    await withTask(async (model) => {
      const run = finetune({
        model,
        train,
        validation,
        epochs: 1,
        batchSize: 8,
        optimizer: { learningRate: 1e30 },
      });
      expect((await thrownBy(() => run.result)).code).toBe('NON_FINITE');
    });
  });

  it('a disposed model ends with DISPOSED', async () => {
    const model = await task.createModel();
    await model.dispose();
    expect((await thrownBy(() => finetune({ model, train, validation }).result)).code).toBe('DISPOSED');
  });
});
