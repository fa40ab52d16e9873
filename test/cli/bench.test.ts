import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { temporaryFiles } from '../helpers/temporary-file.js';

const file = temporaryFiles();
const output = capturedOutput();

const shape = ['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '50', '--threads', '1'];

function lengthsFile(lengths: number[] = [5, 9, 12, 4, 30, 7]): string {
  return file('lengths.json', JSON.stringify(lengths));
}

/** Runs `permafrost bench` on a tiny shape. */
function bench(...args: string[]): Promise<number> {
  return main(['bench', '--lengths', lengthsFile(), ...shape, ...args]);
}

describe('permafrost bench', () => {
  it('ends with one JSON object that says what was measured, and with what', async () => {
    expect(await bench('--batch-size', '6', '--steps', '3', '--warmup', '1', '--json')).toBe(0);
    const lines = output.out.trimEnd().split('\n');
    const result = JSON.parse(lines.at(-1)!);
    expect(result).toMatchObject({
      mode: 'packed',
      freeze: 'full',
      tokensPerStep: 67,
      paddedTokensPerStep: 67,
      batchSize: 6,
      steps: 3,
      warmup: 1,
      threads: 1,
      kernels: 'fused',
      frozenDropout: 'on',
      shape: { numLayers: 2, hiddenSize: 16, dropout: 0.1 },
    });
    expect(result.seconds).toHaveLength(3);
    for (const name of ['secondsPerStep', 'tokensPerSecond', 'peakBytes', 'gflopPerStep', 'stepOverFloor']) {
      expect(result[name], name).toBeGreaterThan(0);
    }
    expect(result.secondsMin).toBeLessThanOrEqual(result.secondsPerStep);
    expect(result.secondsMax).toBeGreaterThanOrEqual(result.secondsPerStep);
    expect(Object.keys(result.versions)).toEqual(expect.arrayContaining(['permafrost', 'node', 'libtorch']));
    expect(result.hardware.cpuModel).toBeTruthy();
    expect(output.err).toBe('');
  });

  it('measures all modes on the same sentences and gives their ratios', async () => {
    expect(await bench('--mode', 'all', '--batch-size', '6', '--steps', '2', '--json')).toBe(0);
    const result = JSON.parse(output.out.trimEnd().split('\n').at(-1)!);
    const modes = result.modes as { mode: string; tokensPerStep: number; paddedTokensPerStep: number }[];
    expect(modes.map(({ mode }) => mode)).toEqual(['packed', 'longest', 'pad128']);
    expect(modes.map(({ tokensPerStep }) => tokensPerStep)).toEqual([67, 67, 67]);
    expect(modes.map(({ paddedTokensPerStep }) => paddedTokensPerStep)).toEqual([67, 6 * 30, 6 * 128]);
    expect(Object.keys(result.ratios)).toEqual(['longest/packed', 'pad128/packed']);
  });

  it('computes less where layers are frozen', async () => {
    const gflop: number[] = [];
    for (const strategy of ['full', 'bottom-up:1', 'bottom-up:2']) {
      output.out = '';
      const args = ['--freeze', strategy, '--batch-size', '6', '--steps', '1', '--no-floor', '--json'];
      expect(await bench(...args, '--frozen-dropout', 'off', '--kernels', 'plain')).toBe(0);
      const result = JSON.parse(output.out.trimEnd().split('\n').at(-1)!);
      expect(result).toMatchObject({ freeze: strategy, frozenDropout: 'off', floorSecondsPerStep: null });
      gflop.push(result.gflopPerStep);
    }
    expect(gflop[1]).toBeLessThan(gflop[0]!);
    expect(gflop[2]).toBeLessThan(gflop[1]!);
  });

  it('reads the frozen prefix from a store', async () => {
    const args = ['--freeze', 'bottom-up:1', '--prefix-store', '--batch-size', '3', '--steps', '3', '--json'];
    expect(await bench(...args, '--frozen-dropout', 'off')).toBe(0);
    const result = JSON.parse(output.out.trimEnd().split('\n').at(-1)!);
    expect(result).toMatchObject({ prefixStore: true, freeze: 'bottom-up:1', floorSecondsPerStep: null });
    expect(result.seconds).toHaveLength(3);
    expect(await bench(...args)).toBe(2);
    expect(output.out).toContain('--frozen-dropout off');
  });

  it('prints a table for people', async () => {
    expect(await bench('--mode', 'packed,longest', '--batch-size', '3', '--steps', '2')).toBe(0);
    expect(output.out).toContain('longest/packed: ');
    expect(output.out).toContain('2 layers of 16, full, batch 3');
    expect(output.err).toContain('round 4 of 4');
  });

  it.each([
    [['--mode', 'pad64'], '--mode'],
    [['--freeze', 'bottom-up:3'], 'bottom-up:3'],
    [['--freeze', 'topdown:1'], 'top-down'],
    [['--steps', '0'], 'steps'],
    [['--batch-size', '7'], '--batch-size'],
    [['--kernels', 'fast'], '--kernels'],
    [['--shape', 'huge'], '--shape'],
  ])('ends with 2 after %j and says what is wrong', async (args, word) => {
    expect(await bench(...args)).toBe(2);
    expect(output.err).toContain(word);
  });

  it('ends with 2 without lengths, and with 1 where their file is missing', async () => {
    expect(await main(['bench', ...shape])).toBe(2);
    expect(output.err).toContain('--lengths');
    expect(await main(['bench', '--lengths', '/nowhere/lengths.json', ...shape])).toBe(1);
    expect(output.err).toContain('FILE_NOT_FOUND');
  });
});
