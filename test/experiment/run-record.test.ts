import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeEnvironment } from '../../src/experiment/environment.js';
import { parseRunRecord, type RunRecord, readRunRecord } from '../../src/experiment/run-record.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { fakeRecord, fakeWorkspace } from './fakes.js';

const record = fakeRecord(scenarioOf(fakeWorkspace().settings, 'bottom-up:6'), 42);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function written(content: string): Promise<string> {
  const file = join(folder, 'record.json');
  await writeFile(file, content);
  return file;
}

describe('a run record', () => {
  it('comes back from its file as it was', async () => {
    expect(await readRunRecord(await written(JSON.stringify(record)))).toEqual(record);
  });

  it('derives its figures from the result', () => {
    expect(record.secondsPerEpoch).toBe(3);
    expect(record.secondsToStop).toBe(8);
    expect(record.tokensPerSecond).toBe(100);
    expect(record.seconds).toMatchObject({ model: 0.5, train: 6, total: 10 });
    expect(record.losses).toMatchObject({ count: 2, first: 42.5, last: 0.25, mean: 21.375 });
    expect(record.plan.layers.filter(Boolean)).toHaveLength(6);
  });

  it('names neither folders nor the machine', () => {
    expect(JSON.stringify(record)).not.toContain(process.cwd());
  });
});

describe('reading a record', () => {
  const failure = (part: object) => expect.objectContaining({ name: 'PermafrostError', ...part });

  it('names the file where it is missing', async () => {
    const file = join(folder, 'none', 'record.json');
    await expect(readRunRecord(file)).rejects.toEqual(failure({ code: 'FILE_NOT_FOUND' }));
    await expect(readRunRecord(file)).rejects.toThrow(file);
  });

  it.each([
    ['an empty file', ''],
    ['half a file', JSON.stringify(record).slice(0, 500)],
    ['another object', '{"schemaVersion":1}'],
    ['null', 'null'],
  ])('refuses %s', async (_, content) => {
    const file = await written(content);
    await expect(readRunRecord(file)).rejects.toEqual(failure({ code: 'DATA_FORMAT' }));
    await expect(readRunRecord(file)).rejects.toThrow(file);
  });

  it('names the field that is wrong', () => {
    const wrong = { ...record, hardware: { ...record.hardware, cores: 'two' } };
    expect(() => parseRunRecord(wrong, 'record.json')).toThrowError(/hardware\.cores/);
  });

  it('refuses a field that it does not know', () => {
    expect(() => parseRunRecord({ ...record, epoch: 3 }, 'record.json')).toThrowError(/epoch/);
  });

  it('says that a newer version wrote it', () => {
    const newer = { ...record, schemaVersion: 2 } as unknown as RunRecord;
    expect(() => parseRunRecord(newer, 'record.json')).toThrowError(/version 2.*newer permafrost/s);
  });
});

describe('the hardware of a record', () => {
  const cards = () => [{ name: 'NVIDIA A100' }, { name: 'NVIDIA H100' }];

  it('names the card that trained, by its number', () => {
    const nameOn = (device: string) =>
      describeEnvironment({ libtorch: null, device, cards }).hardware.deviceName;
    expect(['cuda:1', 'cuda', 'cuda:0', 'cuda:7'].map(nameOn)).toEqual([
      'NVIDIA H100',
      'NVIDIA A100',
      'NVIDIA A100',
      undefined,
    ]);
  });

  it('asks no driver for a run on the processor', () => {
    const none = () => {
      throw new Error('the driver was asked');
    };
    const { hardware } = describeEnvironment({ libtorch: null, device: 'cpu', cards: none });
    expect(hardware).not.toHaveProperty('deviceName');
  });

  it('says what multiplied on a processor, and nothing of that on a card', () => {
    const on = (device: string, matmul: { library: string } | null) =>
      describeEnvironment({ libtorch: null, device, cards, matmul }).hardware;
    expect(on('cpu', { library: 'onednn' }).matmul).toBe('onednn');
    expect(on('cuda', null)).not.toHaveProperty('matmul');
  });
});
