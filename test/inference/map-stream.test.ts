import { describe, expect, it } from 'vitest';
import { mapStream } from '../../src/inference/map-stream.js';

const never = new Promise<never>(() => {});

async function* source(values: number[], log: string[] = []) {
  try {
    for (const value of values) {
      log.push(`read ${value}`);
      yield value;
    }
  } finally {
    log.push('closed');
  }
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe('mapStream', () => {
  it('gives results in order although later ones are ready first', async () => {
    const release: (() => void)[] = [];
    const apply = async (value: number) => {
      if (value === 1) await new Promise<void>((resolve) => release.push(resolve));
      if (value === 3) release[0]!();
      return value * 10;
    };
    expect(await collect(mapStream(source([1, 2, 3, 4]), apply, 8))).toEqual([10, 20, 30, 40]);
  });

  it('gives a result as soon as it is there, while the source waits', async () => {
    async function* silent() {
      yield 1;
      await never;
    }
    const stream = mapStream(silent(), async (value) => value, 8);
    expect(await stream.next()).toEqual({ done: false, value: 1 });
  });

  it('reads no further ahead than it is told', async () => {
    const log: string[] = [];
    const started: number[] = [];
    const apply = (value: number) => {
      started.push(value);
      return value === 1 ? Promise.resolve(1) : never;
    };
    const stream = mapStream(source([1, 2, 3, 4, 5, 6], log), apply, 2);
    await stream.next();
    const second = stream.next();
    await new Promise(setImmediate);
    expect(started).toEqual([1, 2, 3]);
    void second;
  });

  it('fails with the error of the item, after the results before it', async () => {
    const apply = async (value: number) => {
      if (value === 2) throw new Error('second');
      return value;
    };
    const stream = mapStream(source([1, 2, 3]), apply, 8);
    expect(await stream.next()).toEqual({ done: false, value: 1 });
    await expect(stream.next()).rejects.toThrow('second');
  });

  it('closes the source when the consumer leaves', async () => {
    const log: string[] = [];
    for await (const _ of mapStream(source([1, 2, 3], log), async (value) => value, 1)) break;
    await new Promise(setImmediate);
    expect(log.at(-1)).toBe('closed');
  });

  it('ends with the reason of an abort while the source is silent', async () => {
    async function* silent() {
      yield (await never) as number;
    }
    const controller = new AbortController();
    const pending = mapStream(silent(), async (value) => value, 8, controller.signal).next();
    controller.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
    const late = mapStream(silent(), async (value) => value, 8, controller.signal).next();
    await expect(late).rejects.toThrow('enough');
  });
});
