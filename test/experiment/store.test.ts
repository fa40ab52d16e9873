import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { GridStore } from '../../src/experiment/store.js';
import * as atomic from '../../src/io/atomic-write.js';
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
  await store.close();
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
    await store.close();
    expect((await index()).map(({ run }) => run)).toEqual([record.run, second.run]);
  });

  it('counts a run as not done while its record is missing', async () => {
    await openWith(record);
    await mkdir(join(directory, second.run));
    const store = await open();
    expect(store.records).toEqual([record]);
    expect(store.damaged).toEqual([]);
    await store.close();
  });

  it('counts a run as not done where its record is not whole, and says so', async () => {
    await openWith(record, second);
    const file = join(directory, second.run, 'record.json');
    await writeFile(file, '{"schemaVersion":1,');
    const store = await open();
    expect(store.records).toEqual([record]);
    expect(store.damaged).toEqual([expect.stringContaining(file)]);
    await store.close();
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
    await store.close();
    expect(await readdir(directory)).toEqual(['notes.txt']);
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
    await store.close();
    expect(await readFile(join(directory, record.run, 'record.json'), 'utf8')).toBe(before);
    expect((await index()).map(({ run }) => run)).toEqual([record.run]);
  });
});

describe('two grids', () => {
  const lockFile = () => join(directory, 'run.lock');
  const lockOf = (part: object) =>
    JSON.stringify({ pid: 1, host: hostname(), token: 'x', processStart: null, since: 'then', ...part });

  it('cannot write one directory at once', async () => {
    const store = await open();
    await expect(open()).rejects.toThrow(`process ${process.pid}`);
    await store.close();
    await (await open()).close();
  });

  it('leave no lock behind', async () => {
    await openWith();
    expect(await readdir(directory)).not.toContain('run.lock');
  });

  it('of which one is dead do not block each other', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await mkdir(directory, { recursive: true });
    await writeFile(lockFile(), lockOf({ pid }));
    await (await open()).close();
    expect((await readdir(directory)).filter((name) => name.includes('lock'))).toEqual([]);
  });

  it('are told apart where a process id is used again', async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(lockFile(), lockOf({ pid: process.pid, token: 'of an earlier process' }));
    await (await open()).close();
  });

  it('on another machine or with an unreadable lock are left alone', async () => {
    await mkdir(directory, { recursive: true });
    for (const content of [lockOf({ host: 'elsewhere' }), 'nonsense']) {
      await writeFile(lockFile(), content);
      await expect(open()).rejects.toThrow(lockFile());
      expect(await readFile(lockFile(), 'utf8')).toBe(content);
    }
  });

  it('that race for a dead lock end with one winner', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await mkdir(directory, { recursive: true });
    await writeFile(lockFile(), lockOf({ pid }));
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => open()));
    const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]!.value.close();
  });
});
