import { describe, expectTypeOf, it } from 'vitest';
import type { EpochSummary } from '../../src/entries/training.js';
import type {
  ErrorCode,
  FinetuneOptions,
  FinetuneResult,
  FinetuneRun,
  Metrics,
  StepResult,
  TrainingEvent,
} from '../../src/index.js';
import { finetune, type PermafrostError, TokenClassifier } from '../../src/index.js';

describe('TrainingEvent', () => {
  it('is told apart by its type', () => {
    const read = (event: TrainingEvent): number => {
      switch (event.type) {
        case 'step':
          expectTypeOf(event.gradNorm).toEqualTypeOf<number>();
          return event.loss;
        case 'epoch':
          return event.trainLoss;
        case 'evaluation':
          expectTypeOf(event.split).toEqualTypeOf<'validation' | 'test'>();
          expectTypeOf(event.metrics).toEqualTypeOf<Metrics>();
          return event.seconds;
        case 'freeze':
          return event.frozenPrefix;
        case 'checkpoint':
          expectTypeOf(event.kind).toEqualTypeOf<'best' | 'last'>();
          return event.score ?? 0;
        case 'resume':
          return event.step;
        case 'done':
          expectTypeOf(event.result).toEqualTypeOf<FinetuneResult>();
          return event.result.bestScore;
        default:
          // Every type has its case: nothing is left over.
          expectTypeOf(event).toEqualTypeOf<never>();
          return event;
      }
    };
    expectTypeOf(read).parameter(0).toEqualTypeOf<TrainingEvent>();
    expectTypeOf<TrainingEvent['type']>().toEqualTypeOf<
      'step' | 'epoch' | 'evaluation' | 'freeze' | 'checkpoint' | 'resume' | 'done'
    >();
  });

  it('has no field of another type before it is told apart', () => {
    // @ts-expect-error an event of an unknown type has no loss
    const read = (event: TrainingEvent) => event.loss;
    expectTypeOf(read).toBeFunction();
  });
});

describe('the public face', () => {
  it('types a run by its events and its result', () => {
    expectTypeOf(finetune).returns.toEqualTypeOf<FinetuneRun>();
    expectTypeOf<FinetuneRun['result']>().resolves.toEqualTypeOf<FinetuneResult>();
    expectTypeOf<FinetuneRun>().toExtend<AsyncIterable<TrainingEvent>>();
    expectTypeOf<EpochSummary['validation']>().toEqualTypeOf<Metrics>();
    expectTypeOf<FinetuneOptions['freezing']>().not.toBeAny();
  });

  it('types errors by their codes, and steps that only accumulate by a null norm', () => {
    expectTypeOf<PermafrostError['code']>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<StepResult['gradNorm']>().toEqualTypeOf<number | null>();
    expectTypeOf<TokenClassifier>().toExtend<AsyncDisposable>();
    // @ts-expect-error models come from load and create
    const construct = () => new TokenClassifier({});
    expectTypeOf(construct).toBeFunction();
  });
});
