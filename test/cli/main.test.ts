import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildProgram, main } from '../../src/cli/main.js';

let folder: string;
let out: string;
let err: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe('the command line', () => {
  it('has its commands', () => {
    const names = buildProgram(() => () => Promise.resolve()).commands.map((command) => command.name());
    expect(names).toEqual([
      'paper',
      'pretrain',
      'train',
      'evaluate',
      'predict',
      'inspect',
      'datasets',
      'bench',
      'doctor',
      'libtorch',
    ]);
  });

  it('hands the flags of a command to its action', async () => {
    const seen: unknown[] = [];
    const program = buildProgram(() => (flags) => Promise.resolve(void seen.push(flags)));
    await program.parseAsync(['paper', '--seeds', '2', '--max-length', '64', '--restart'], { from: 'user' });
    expect(seen).toEqual([expect.objectContaining({ seeds: 2, seed: 42, maxLength: 64, restart: true })]);
  });

  it('ends with 0 after --help and --version', async () => {
    expect(await main(['--version'])).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+/);
    expect(await main(['paper', '--help'])).toBe(0);
    expect(out).toContain('--strategies');
  });

  it.each([
    [['papr'], 'papr'],
    [['paper', '--epoch', '3'], '--epochs'],
    [['paper', '--epochs', 'three'], 'whole number'],
    [['evaluate', '--data', 'a.txt'], '--model'],
    [['paper', '--preset', 'squad'], 'demo-kk'],
    [['paper', '--preset', 'conll2003'], '--train'],
    [['paper', '--data', 'a.txt', '--train', 'b.txt'], '--data'],
    [['paper', '--seeds', '0'], '--seeds'],
  ])('ends with 2 after %j and says what is wrong', async (args, word) => {
    expect(await main(args)).toBe(2);
    expect(err).toContain(word);
    expect(err).not.toContain('    at ');
  });

  it('ends with 1 where a file is missing, naming it', async () => {
    const file = join(folder, 'none.conll');
    expect(await main(['paper', '--data', file, '--shape', 'tiny'])).toBe(1);
    expect(err).toContain(file);
    expect(err).toContain('FILE_NOT_FOUND');
  });

  it('reports an error as one JSON object with --json', async () => {
    const file = join(folder, 'bad.conll');
    await writeFile(file, 'word-without-a-tag\n');
    expect(await main(['paper', '--data', file, '--shape', 'tiny', '--json'])).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ type: 'error', code: 'DATA_FORMAT' });
    expect(err).toBe('');
  });

  it('refuses a strategy that the model has not enough layers for', async () => {
    const file = join(folder, 'good.conll');
    await writeFile(file, 'Aya B-PER\nsings O\n\n'.repeat(20));
    expect(await main(['paper', '--data', file, '--shape', 'tiny', '--strategies', 'bottom-up:5'])).toBe(2);
    expect(err).toContain('INVALID_PLAN');
  });
});
