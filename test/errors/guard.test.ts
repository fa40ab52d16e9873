import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabelSet as InnerLabelSet } from '../../src/data/label-set.js';
import * as data from '../../src/entries/data.js';
import * as metrics from '../../src/entries/metrics.js';
import { PermafrostError as InnerError } from '../../src/errors/error.js';
import * as main from '../../src/index.js';
import {
  type FreezeSchedule,
  finetune,
  full,
  labelSet,
  PermafrostError,
  Tagger,
  TokenClassifier,
} from '../../src/index.js';
import { BUILT_INDEX, builtEntry } from '../helpers/child.js';
import { type SmallTask, smallTask } from '../helpers/corpus.js';

let task: SmallTask;
let model: TokenClassifier;
beforeAll(async () => {
  task = smallTask();
  model = await task.createModel();
});
afterAll(() => model.dispose());

async function rejection(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('expected an error, and none was thrown');
}

const tune = (options: object) =>
  finetune({ model, train: task.train, validation: task.validation, epochs: 1, ...options } as never).result;

describe('what the code of the caller throws', () => {
  const own = new TypeError('mine');
  const fail = (): never => {
    throw own;
  };

  it('passes from an iterable', async () => {
    expect(await rejection(() => labelSet({ [Symbol.iterator]: fail }))).toBe(own);
    const tagger = Tagger.of(model);
    const texts = (async function* () {
      yield 'Ann sings.';
      fail();
    })();
    expect(
      await rejection(async () => {
        for await (const _ of tagger.tag(texts));
      }),
    ).toBe(own);
    await tagger.dispose();
  });

  it('passes from a schedule', async () => {
    class Broken implements FreezeSchedule<null> {
      readonly notation = 'broken';
      start = (numLayers: number) => ({ state: null, plan: full().plan(numLayers) });
      reachable = (numLayers: number) => [full().plan(numLayers)];
      observe = fail;
    }
    const schedule = new Broken();
    expect(await rejection(() => tune({ freezing: schedule }))).toBe(own);
    // What is the caller's stays as it is.
    expect(schedule.observe).toBe(fail);
  });

  it('passes as the reason of a signal, whatever it is', async () => {
    for (const reason of [own, 'enough', { code: 7 }]) {
      const signal = AbortSignal.abort(reason);
      expect(await rejection(() => tune({ signal }))).toBe(reason);
      expect(await rejection(() => TokenClassifier.load('nowhere/at-all', { signal }))).toBe(reason);
      expect(await rejection(() => model.logits({ inputIds: [[2, 3]] }, { signal }))).toBe(reason);
    }
  });
});

describe('what cannot be read', () => {
  it('is named by its option, with what it threw as the cause', async () => {
    const cause = new Error('lazy');
    const optimizer = {
      get learningRate(): number {
        throw cause;
      },
    };
    const error = await rejection(() => tune({ optimizer }));
    expect(error).toBeInstanceOf(PermafrostError);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', cause });
    expect((error as Error).message).toMatch(/^finetune: `optimizer.learningRate`: .*\(lazy\)/);
  });

  it('is found in an object of a class, and behind a proxy that answers only some', async () => {
    class Options {
      get model(): never {
        throw new Error('lazy');
      }
    }
    const shy = new Proxy({}, { get: (_, key) => (key === 'model' ? new Options().model : undefined) });
    for (const options of [new Options(), shy]) {
      expect(await rejection(() => finetune(options as never).result)).toMatchObject({
        code: 'INVALID_OPTION',
      });
    }
  });

  it('leaves later errors their stacks', async () => {
    const hostile = new Proxy({}, { get: () => expect.fail('read') });
    await rejection(() => model.save(hostile as never));
    expect(new Error('later').stack).toContain('guard.test');
  });
});

describe('the edge', () => {
  it('is the same class and function to whoever looks', () => {
    const set = new data.LabelSet(['O']);
    expect(set).toBeInstanceOf(data.LabelSet);
    expect(set).toBeInstanceOf(InnerLabelSet);
    expect(set.constructor).toBe(data.LabelSet);
    expect(data.LabelSet.name).toBe('LabelSet');
    expect(new InnerError('INTERNAL', 'x')).toBeInstanceOf(PermafrostError);
    expect(main.entityReport).toBe(metrics.entityReport);
    expect([labelSet.name, labelSet.length]).toEqual(['labelSet', 1]);
    class Own extends data.LabelSet {}
    expect(new Own(['O']).id('O')).toBe(0);
  });

  it('names the call and what it was given', async () => {
    const { message, cause } = (await rejection(() => labelSet(null as never))) as Error;
    expect(message).toMatch(/^labelSet\(null\): that is not what it takes \(.*not iterable.*\)\./);
    expect(cause).toBeInstanceOf(TypeError);
    await expect(rejection(() => model.freeze(Symbol('x') as never))).resolves.toMatchObject({
      code: 'INVALID_OPTION',
      message: 'TokenClassifier.freeze: argument 1: expected another value, got the symbol Symbol(x).',
    });
  });

  it('rejects where a call rejects, and throws where it throws', async () => {
    const odd = 5n as never;
    for (const begin of [
      () => model.freeze(odd),
      () => TokenClassifier.load(odd),
      () => finetune(odd).result,
    ]) {
      const promise = begin();
      await expect(promise).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    }
    expect(() => labelSet(odd)).toThrow(PermafrostError);
    expect(() => (full as (given: never) => unknown)(odd)).toThrow(PermafrostError);
  });

  it('stands around what is built as around the sources', () => {
    const script = `
      const { labelSet, PermafrostError } = await import(${JSON.stringify(BUILT_INDEX)});
      const { LabelSet } = await import(${JSON.stringify(builtEntry('data'))});
      for (const call of [() => labelSet(null), () => new LabelSet(5), () => new LabelSet(['O']).requireId('X')]) {
        try { call(); } catch (error) { console.log(error instanceof PermafrostError, error.code); }
      }`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(output.trim().split('\n')).toEqual([
      'true INVALID_OPTION',
      'true INVALID_OPTION',
      'true LABEL_MISMATCH',
    ]);
  });
});
