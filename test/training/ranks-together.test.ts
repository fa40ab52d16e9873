import { describe, expect, it } from 'vitest';
import type { PackedBatch } from '../../src/contract/packed-batch.js';
import type { EnergyCounter } from '../../src/energy/counter.js';
import { PermafrostError } from '../../src/index.js';
import { Ranks } from '../../src/training/ranks.js';
import { fakeGroups } from '../helpers/fake-group.js';
import { thrownBy } from '../helpers/thrown.js';

const together = (size: number, options: { gradientShards?: number; signals?: AbortSignal[] } = {}) =>
  fakeGroups(Array.from({ length: size }, () => ({}))).map(
    (group, rank) =>
      new Ranks(group, { gradientShards: options.gradientShards, signal: options.signals?.[rank] }),
  );

const batch: PackedBatch = {
  inputIds: Int32Array.from({ length: 12 }, (_, i) => i),
  labels: new Int32Array(12),
  cuSeqlens: Int32Array.of(0, 5, 6, 8, 12),
};

describe('Ranks', () => {
  it('share each batch, every sequence once', () => {
    const shares = together(3).map((ranks) => [...ranks.sharesOf([batch])][0] as PackedBatch);
    const ids = shares.flatMap(({ inputIds }) => [...inputIds]).sort((a, b) => a - b);
    expect(ids).toEqual([...batch.inputIds]);
    for (const { rows, inputIds, cuSeqlens } of shares)
      for (const [i, row] of rows!.entries()) expect(inputIds[cuSeqlens[i]!]).toBe(row);
  });

  it('cut the same parts of a batch, whatever their number', () => {
    const partsOf = (all: Ranks[]) =>
      all.flatMap((ranks) => {
        const [share] = [...ranks.sharesOf([batch])];
        return share !== undefined && 'shards' in share ? share.shards : [];
      });
    const alone = partsOf([new Ranks(null, { gradientShards: 4 })]);
    expect(alone).toHaveLength(4);
    for (const size of [2, 3, 4]) expect(partsOf(together(size, { gradientShards: 4 }))).toEqual(alone);
  });

  it('refuse fewer parts than ranks', async () => {
    const error = await thrownBy(() => together(3, { gradientShards: 2 }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { expected: 3, got: 2 } });
  });

  it('pass a batch on as it is where there is one', () => {
    expect([...new Ranks(null).sharesOf([batch])][0]).toBe(batch);
  });

  it('tell what the first one finds', async () => {
    const found = await Promise.all(together(3).map((ranks) => ranks.tell(async () => ({ at: ranks.rank }))));
    expect(found).toEqual([{ at: 0 }, { at: 0 }, { at: 0 }]);
  });

  it('fail as the first one does', async () => {
    const fails = async () => {
      throw new PermafrostError('LOCKED', 'another process writes there', { pid: 7 });
    };
    const errors = await Promise.all(together(2).map((ranks) => thrownBy(() => ranks.tell(fails))));
    expect(errors[0]).toMatchObject({ code: 'LOCKED', message: 'another process writes there' });
    expect(errors[1]).toMatchObject({ code: 'LOCKED', details: { pid: 7, rank: 0 } });
    expect((errors[1] as Error).message).toBe('On rank 0 (here, process 100): another process writes there');
  });

  it('do on the first one alone what stays there', async () => {
    const done = await Promise.all(together(2).map((ranks) => ranks.onFirst(async () => new Map([[1, 2]]))));
    expect(done).toEqual([new Map([[1, 2]]), null]);
  });

  it('stop all in their work where the signal of one says so', async () => {
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    const signals = [new AbortController().signal, abort.signal];
    const all = together(2, { signals });
    const work = async (ranks: Ranks) => {
      if (ranks.rank === 1) abort.signal.throwIfAborted();
      return Uint8Array.of(ranks.rank);
    };
    const errors = await Promise.all(
      all.map((ranks) => ranks.gatherBytes(() => work(ranks)).catch((error: unknown) => error)),
    );
    expect((errors[0] as Error).name).toBe('AbortError');
    expect((errors[0] as Error).message).toContain('rank 1');
    expect(errors[1]).toBe(abort.signal.reason);
    expect(all.map(({ isStopped }) => isStopped)).toEqual([true, true]);
  });

  it('decide by the flags of an update, not by a signal or clock of their own', () => {
    const abort = new AbortController();
    const [first] = together(2, { signals: [abort.signal, abort.signal] });
    abort.abort();
    expect(first!.isStopped).toBe(false);
    expect(first!.isSaveDue(true)).toBe(false);
    first!.see(first!.flags(true));
    expect(first!.isStopped).toBe(true);
    expect(first!.isSaveDue(false)).toBe(true);
    first!.saved();
    expect(first!.isSaveDue(true)).toBe(false);
  });

  it('name the innermost setting that differs', async () => {
    const facts = (rank: number) => ({
      epochs: 3,
      data: { train: `digest ${rank}`, test: null },
      betas: [0.9, 0.999],
    });
    const errors = await Promise.all(
      together(2).map((ranks) => thrownBy(() => ranks.agree(facts(ranks.rank)))),
    );
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'RANKS_DIVERGED', details: { fact: 'data.train' } });
    }
  });

  it('count each processor and each card once', () => {
    const counters = (['cpu', 'ram', 'gpu'] as const).map((part) => ({ part, name: part }) as EnergyCounter);
    const groups = fakeGroups([
      { host: 'a', device: 'cuda:0' },
      { host: 'a', device: 'cuda:1' },
      { host: 'b', device: 'cuda:0' },
      { host: 'b', device: 'cuda:0' },
    ]);
    const counted = groups.map((group) => new Ranks(group).ownCounters(counters).map(({ part }) => part));
    expect(counted).toEqual([['cpu', 'ram', 'gpu'], ['gpu'], ['cpu', 'ram', 'gpu'], []]);
  });
});
