import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { type ClaimedRun, GridStore } from '../../src/experiment/store.js';
import * as atomic from '../../src/io/atomic-write.js';
import { LeaseWatch } from '../../src/io/lease.js';
import { fakeRecord, fakeWorkspace } from './fakes.js';

vi.mock('../../src/io/atomic-write.js', { spy: true });

const workspace = fakeWorkspace();
const identity = {
  scenario: workspace.settings,
  dataDigest: workspace.data.digest,
  tokenizerDigest: workspace.tokenizer.digest,
};
const scenario = scenarioOf(workspace.settings, 'bottom-up:6');
const record = fakeRecord(scenario, 42);
const second = fakeRecord(scenario, 43);
let directory: string;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'permafrost-')), 'out');
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(join(directory, '..'), { recursive: true, force: true });
});

const open = (restart = false) => GridStore.open({ directory, restart }, identity);

async function openWith(...records: RunRecord[]): Promise<void> {
  const store = await open();
  for (const one of records) await store.save(one);
}

const index = async () =>
  (await readFile(join(directory, 'grid.jsonl'), 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { run: string });

describe('the store of a grid', () => {
  it('finds its finished runs again', async () => {
    await openWith(record, second);
    const store = await open();
    expect(store.records).toEqual([record, second]);
    expect(store.finished(scenario, 42)).toEqual(record);
    expect(store.finished(scenario, 44)).toBeUndefined();
    expect((await index()).map(({ run }) => run)).toEqual([record.run, second.run]);
  });

  it('counts a run as not done while its record is missing', async () => {
    await openWith(record);
    await mkdir(join(directory, second.run));
    const store = await open();
    expect(store.records).toEqual([record]);
    expect(store.damaged).toEqual([]);
  });

  it('counts a run as not done where its record is not whole, and says so', async () => {
    await openWith(record, second);
    const file = join(directory, second.run, 'record.json');
    await writeFile(file, '{"schemaVersion":1,');
    const store = await open();
    expect(store.records).toEqual([record]);
    expect(store.damaged).toEqual([expect.stringContaining(file)]);
    expect((await index()).map(({ run }) => run)).toEqual([record.run]);
  });

  it('mends an index whose last line is torn, and appends after it', async () => {
    await openWith(record);
    await appendFile(join(directory, 'grid.jsonl'), '{"run":"bottom-u');
    await openWith(second);
    expect((await index()).map(({ run }) => run)).toEqual([record.run, second.run]);
  });

  it('adds to the index what a kill between record and index left out', async () => {
    await openWith(record, second);
    await writeFile(join(directory, 'grid.jsonl'), '');
    await openWith();
    expect((await index()).map(({ run }) => run)).toEqual([record.run, second.run]);
  });

  it('refuses records of a newer version instead of writing over them', async () => {
    await openWith(record);
    const newer = JSON.stringify({ ...record, schemaVersion: 2 });
    await writeFile(join(directory, record.run, 'record.json'), newer);
    await expect(open()).rejects.toThrow(/newer permafrost/);
    await expect(open()).rejects.toThrow(/newer permafrost/);
  });
});

describe('a directory with runs of another grid', () => {
  const changed = (part: Partial<typeof identity>) => GridStore.open({ directory }, { ...identity, ...part });

  it('is refused where a setting changed, naming it and the remedy', async () => {
    await openWith(record);
    const training = { ...workspace.settings.training, epochs: 7 };
    const opening = changed({ scenario: { ...workspace.settings, training } });
    await expect(opening).rejects.toThrow(
      /`training\.epochs` 10 there, 7 now.*`directory`.*`restart: true`/s,
    );
    await expect(opening).rejects.toMatchObject({ code: 'RUN_MISMATCH' });
  });

  it('is refused where the data or the vocabulary changed', async () => {
    await openWith(record);
    await expect(changed({ dataDigest: 'e'.repeat(64) })).rejects.toThrow(/`data` d+… there, e+… now/);
    await expect(changed({ tokenizerDigest: '0'.repeat(64) })).rejects.toThrow(
      /`tokenizer` f+… there, 0+… now/,
    );
  });

  it('is emptied by a restart, other files excepted', async () => {
    await openWith(record);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const store = await open(true);
    expect(store.records).toEqual([]);
    expect(await readdir(directory)).toEqual(['grid.json', 'notes.txt']);
  });
});

describe('a write that fails', () => {
  it('leaves the records before it as they were and the run as not done', async () => {
    await openWith(record);
    const before = await readFile(join(directory, record.run, 'record.json'), 'utf8');
    const store = await open();
    vi.mocked(atomic.writeFileAtomic).mockRejectedValueOnce(
      Object.assign(new Error('no space'), { code: 'WRITE_FAILED' }),
    );
    await expect(store.save(second)).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    expect(store.finished(scenario, 43)).toBeUndefined();
    expect(await readFile(join(directory, record.run, 'record.json'), 'utf8')).toBe(before);
    expect((await index()).map(({ run }) => run)).toEqual([record.run]);
  });
});

describe('two workers', () => {
  const lockFile = () => join(directory, record.run, 'run.lock');
  const lockOf = (part: object) =>
    JSON.stringify({ pid: 1, host: hostname(), token: 'x', processStart: null, since: 'then', ...part });
  const lockBy = async (content: string) => {
    await mkdir(join(directory, record.run), { recursive: true });
    await writeFile(lockFile(), content);
  };
  /** What a claim comes to, released again where it was had. */
  const claim = async (store: GridStore) => {
    const claimed = await store.claim(record.run);
    if (!('lock' in claimed)) return claimed;
    await claimed.release();
    return null;
  };

  it('take different runs of one directory, and see what the other has finished', async () => {
    const [one, other] = [await open(), await open()];
    const claimed = (await one.claim(record.run)) as ClaimedRun;
    expect(await claim(other)).toMatchObject({ pid: process.pid, host: hostname() });
    const theirs = (await other.claim(second.run)) as ClaimedRun;
    await one.save(record);
    await other.save(second);
    for (const run of [claimed, theirs]) await run.release();
    expect(other.finished(scenario, 42)).toBeUndefined();
    expect(await other.lookUp(scenario, 42)).toEqual(record);
    await one.complete();
    expect((await index()).map(({ run }) => run)).toEqual([record.run, second.run]);
    expect((await readdir(directory)).filter((name) => name.includes('lock'))).toEqual([]);
  });

  it('leave no directory of a run that was given back untouched', async () => {
    expect(await claim(await open())).toBeNull();
    expect(await readdir(directory)).toEqual(['grid.json']);
  });

  it('cannot begin anew what the other works on, nor with other settings', async () => {
    const store = await open();
    const claimed = (await store.claim(record.run)) as ClaimedRun;
    await expect(open(true)).rejects.toMatchObject({ code: 'LOCKED', details: { pid: process.pid } });
    const training = { ...workspace.settings.training, epochs: 7 };
    const changed = { ...identity, scenario: { ...workspace.settings, training } };
    const opening = GridStore.open({ directory }, changed);
    await expect(opening).rejects.toMatchObject({ code: 'RUN_MISMATCH' });
    expect(await claim(store)).toMatchObject({ pid: process.pid });
    await claimed.release();
    await open(true);
    // Whoever began before that has a grid that is gone.
    await expect(store.claim(record.run)).rejects.toMatchObject({ code: 'LOCKED' });
  });

  it('of which one is dead do not block each other', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await lockBy(lockOf({ pid }));
    expect(await claim(await open())).toBeNull();
  });

  it('are told apart where a process id is used again', async () => {
    await lockBy(lockOf({ pid: process.pid, token: 'of an earlier process' }));
    expect(await claim(await open())).toBeNull();
  });

  it('on another machine live as long as the lock changes, and a lease longer', async () => {
    for (const part of [{ host: 'elsewhere' }, { processes: 'another container of this name' }]) {
      const store = await GridStore.open({ directory, lease: new LeaseWatch(60) }, identity);
      await lockBy(lockOf(part));
      for (let beat = 1; beat <= 4; beat++) {
        await utimes(lockFile(), beat, beat);
        expect(await claim(store)).toMatchObject({ pid: 1 });
        await sleep(30);
      }
      await sleep(100);
      expect(await claim(store)).toBeNull();
    }
  });

  it('leave a lock alone that nobody can read', async () => {
    const store = await GridStore.open({ directory, lease: new LeaseWatch(0) }, identity);
    await lockBy('nonsense');
    for (let look = 0; look < 3; look++) expect(await claim(store)).toMatchObject({ host: '?' });
    expect(await readFile(lockFile(), 'utf8')).toBe('nonsense');
  });

  it('that race for a dead lock end with one winner', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
    await lockBy(lockOf({ pid }));
    const claims = await Promise.all(stores.map((store) => store.claim(record.run)));
    const winners = claims.filter((claimed) => 'lock' in claimed);
    expect(winners).toHaveLength(1);
    await winners[0]!.release();
  });
});
