import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildProgram, main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';

let folder: string;
const output = capturedOutput();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the command line', () => {
  it('has its commands', () => {
    const names = buildProgram(() => () => Promise.resolve()).commands.map((command) => command.name());
    expect(names).toEqual([
      'train',
      'paper',
      'search',
      'pretrain',
      'launch',
      'watch',
      'report',
      'compare',
      'study',
      'evaluate',
      'predict',
      'export',
      'push',
      'inspect',
      'convert',
      'datasets',
      'doctor',
      'libtorch',
      'bench',
      'completion',
    ]);
  });

  it('hands the flags of a command to its action', async () => {
    const seen: unknown[] = [];
    const program = buildProgram(() => (flags) => Promise.resolve(void seen.push(flags)));
    await program.parseAsync(['paper', '--seeds', '2', '--max-length', '64', '--restart'], { from: 'user' });
    expect(seen).toEqual([expect.objectContaining({ seeds: 2, maxLength: 64, restart: true })]);
  });

  it('ends with 0 after --help and --version', async () => {
    expect(await main(['--version'])).toBe(0);
    expect(output.out).toMatch(/^\d+\.\d+\.\d+/);
    expect(await main(['paper', '--help'])).toBe(0);
    expect(output.out).toContain('--strategies');
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
    expect(output.err).toContain(word);
    expect(output.err).not.toContain('    at ');
  });

  it('ends with 1 where a file is missing, naming it', async () => {
    const file = join(folder, 'none.conll');
    expect(await main(['paper', '--data', file, '--shape', 'tiny'])).toBe(1);
    expect(output.err).toContain(file);
    expect(output.err).toContain('FILE_NOT_FOUND');
  });

  it('reports an error as one JSON object with --json', async () => {
    const file = join(folder, 'bad.conll');
    await writeFile(file, 'word-without-a-tag\n');
    expect(await main(['paper', '--data', file, '--shape', 'tiny', '--json'])).toBe(1);
    expect(JSON.parse(output.out)).toMatchObject({ type: 'error', code: 'DATA_FORMAT' });
    expect(output.err).toBe('');
  });

  it('refuses a strategy that the model has not enough layers for', async () => {
    const file = join(folder, 'good.conll');
    await writeFile(file, 'Aya B-PER\nsings O\n\n'.repeat(20));
    expect(await main(['paper', '--data', file, '--shape', 'tiny', '--strategies', 'bottom-up:5'])).toBe(2);
    expect(output.err).toContain('INVALID_PLAN');
  });
});
