import { describe, expect, it } from 'vitest';
import { Admission, Batcher } from '../../src/inference/batcher.js';
import { thrownBy } from '../helpers/thrown.js';

const sequence = (value: number, length = 1) => new Int32Array(length).fill(value);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A batcher whose batches end when they are told to; results are ten times the sequence's first token. */
function heldBatcher(options: Partial<{ maxBatchTokens: number; maxWaitMs: number }> = {}) {
  const batches: number[][] = [];
  const ends: { done(): void; fail(error: Error): void }[] = [];
  const batcher = new Batcher<number>(
    (sequences) => {
      batches.push(sequences.map(([value]) => value!));
      return new Promise((resolve, reject) => {
        ends.push({ done: () => resolve(sequences.map(([value]) => value! * 10)), fail: reject });
      });
    },
    { maxBatchTokens: 100, maxWaitMs: 0, ...options },
  );
  const end = async () => {
    ends.shift()!.done();
    await turn();
  };
  return { batcher, batches, ends, end };
}

describe('Batcher', () => {
  it('computes what arrives in one turn of the event loop together', async () => {
    const { batcher, batches, end } = heldBatcher();
    const requests = Promise.all([batcher.add([sequence(1)]), batcher.add([sequence(2), sequence(3)])]);
    await turn();
    await end();
    expect(await requests).toEqual([[10], [20, 30]]);
    expect(batches).toEqual([[1, 2, 3]]);
    expect(batcher.stats).toEqual({ batches: 1, sequences: 3, tokens: 3 });
  });

  it('computes what arrives while a batch runs as the next one', async () => {
    const { batcher, batches, end } = heldBatcher({ maxWaitMs: 60_000, maxBatchTokens: 2 });
    const first = batcher.add([sequence(1, 2)]);
    const second = batcher.add([sequence(2)]);
    await turn();
    expect(batches).toEqual([[1]]);
    await end();
    expect(await first).toEqual([10]);
    expect(batches).toEqual([[1], [2]]);
    await end();
    expect(await second).toEqual([20]);
  });

  it('fills batches up to the limit and lets a longer sequence through by itself', async () => {
    const { batcher, batches, end } = heldBatcher({ maxBatchTokens: 4 });
    const all = batcher.add([sequence(1, 2), sequence(2, 2), sequence(3, 1), sequence(4, 9), sequence(5, 1)]);
    await turn();
    for (let i = 0; i < 4; i++) await end();
    expect(await all).toEqual([10, 20, 30, 40, 50]);
    expect(batches).toEqual([[1, 2], [3], [4], [5]]);
  });

  it('waits for others no longer than it may, and not at all once the batch is full', async () => {
    const { batcher, batches, end } = heldBatcher({ maxWaitMs: 20, maxBatchTokens: 3 });
    const lone = batcher.add([sequence(1)]);
    await turn();
    expect(batches).toEqual([]);
    while (batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await end();
    expect(await lone).toEqual([10]);
    const full = Promise.all([batcher.add([sequence(2)]), batcher.add([sequence(3, 2)])]);
    expect(batches).toEqual([[1], [2, 3]]);
    await end();
    await full;
  });

  it('fails the requests of a broken batch and goes on with the others', async () => {
    const { batcher, ends, end } = heldBatcher({ maxBatchTokens: 2 });
    const broken = [batcher.add([sequence(1)]), batcher.add([sequence(2), sequence(3)])];
    const whole = batcher.add([sequence(4)]);
    const failures = Promise.allSettled(broken);
    await turn();
    ends.shift()!.fail(new Error('no memory'));
    await turn();
    for (const failure of await failures) {
      expect(failure).toMatchObject({ status: 'rejected', reason: { message: 'no memory' } });
    }
    await end();
    expect(await whole).toEqual([40]);
  });

  it('takes an aborted request out of the queue, and forgets the result of one that runs', async () => {
    const { batcher, batches, end } = heldBatcher({ maxBatchTokens: 1 });
    const controller = new AbortController();
    const running = batcher.add([sequence(1)], controller.signal);
    const waiting = batcher.add([sequence(2)], controller.signal);
    const other = batcher.add([sequence(3)]);
    const refusals = Promise.allSettled([running, waiting]);
    await turn();
    controller.abort(new Error('gone'));
    for (const refusal of await refusals) {
      expect(refusal).toMatchObject({ status: 'rejected', reason: { message: 'gone' } });
    }
    await end();
    await end();
    expect(await other).toEqual([30]);
    expect(batches).toEqual([[1], [3]]);
    await expect(batcher.add([sequence(4)], controller.signal)).rejects.toThrow('gone');
  });

  it('closes by refusing what waits and waiting for what runs', async () => {
    const { batcher, ends } = heldBatcher({ maxBatchTokens: 1 });
    const settled: string[] = [];
    const running = batcher.add([sequence(1)]).then(() => settled.push('running'));
    const waiting = batcher.add([sequence(2)]).catch(() => settled.push('waiting'));
    await turn();
    const closed = batcher.close(new Error('closed')).then(() => settled.push('closed'));
    await turn();
    expect(settled).toEqual(['waiting']);
    ends.shift()!.done();
    await Promise.all([running, waiting, closed]);
    expect(settled).toEqual(['waiting', 'running', 'closed']);
  });

  it('gives nothing for nothing', async () => {
    expect(await heldBatcher().batcher.add([])).toEqual([]);
  });
});

describe('Admission', () => {
  it('refuses a call beyond the limit, and lets the next in when one has ended', async () => {
    const admission = new Admission(2);
    const release: (() => void)[] = [];
    const call = () => admission.run(() => new Promise<void>((resolve) => release.push(resolve)));
    const open = [call(), call()];
    const error = await thrownBy(call);
    expect(error.code).toBe('QUEUE_FULL');
    expect(error.details).toMatchObject({ open: 2, maxQueue: 2 });
    release[0]!();
    await open[0];
    expect(admission.open).toBe(1);
    const third = call();
    for (const resolve of release) resolve();
    await Promise.all([open[1], third]);
    await expect(admission.run(() => Promise.reject(new Error('own')))).rejects.toThrow('own');
    expect(admission.open).toBe(0);
  });
});
