import { describe, expect, it } from 'vitest';
import type { StepMeasurement, StepSample } from '../../src/bench/measure-steps.js';
import type { BenchMode } from '../../src/bench/modes.js';
import { parseBenchOptions } from '../../src/bench/options.js';
import { benchResult } from '../../src/bench/result.js';
import { median, quantile } from '../../src/bench/statistics.js';
import { encoderConfigOf, parseShape } from '../../src/experiment/shape.js';
import { bottomUp, full, topDown } from '../../src/freezing/strategy.js';
import { thrownBy } from '../helpers/thrown.js';

const shape = parseShape('tiny');
const base = { shape, lengths: [5], modes: ['packed', 'pad128'] as BenchMode[], freeze: full() };

function sample(seconds: number, paddedTokens: number, floorSeconds: number | null = null): StepSample {
  return {
    seconds,
    tokens: 100,
    paddedTokens,
    scoredTokens: paddedTokens,
    floorSeconds,
    productSeconds: floorSeconds && 2 * floorSeconds,
  };
}

function measurementOf(samples: [BenchMode, StepSample[]][]): StepMeasurement {
  return {
    device: 'cpu',
    matmul: { library: 'onednn', description: 'oneDNN', origin: 'kept', reason: null, threads: 2 },
    fastestLibrary: 'own',
    config: encoderConfigOf(shape, 100, 0, ['A', 'B']),
    plan: full().plan(shape.numLayers),
    samples: new Map(samples),
    memory: { parameters: 1, gradients: 2, optimizer: 3, workspace: 4 },
    peakBytes: 10,
    card: null,
  };
}

describe('benchResult', () => {
  const result = benchResult(
    parseBenchOptions(base),
    measurementOf([
      ['packed', [sample(1, 100, 0.5), sample(2, 100, 0.5), sample(9, 100, 6)]],
      ['pad128', [sample(6, 400), sample(8, 400), sample(9, 400)]],
    ]),
  );

  it('gives the median, the extremes and the mean of the first mode on top', () => {
    expect(result).toMatchObject({ type: 'bench', mode: 'packed', freeze: 'full', peakBytes: 10 });
    expect(result.hardware.matmul).toBe('onednn');
    expect(result).toMatchObject({ secondsPerStep: 2, secondsMin: 1, secondsMax: 9, secondsMean: 4 });
    expect(result).toMatchObject({ tokensPerStep: 100, paddedTokensPerStep: 100, tokensPerSecond: 25 });
  });

  it('takes ratios pair by pair, and their median', () => {
    expect(result.ratios).toEqual({ 'pad128/packed': 4 });
    expect(result.stepOverFloor).toBe(2);
    expect(result.floorSecondsPerStep).toBe(0.5);
    expect(result.productSecondsPerStep).toBe(1);
    expect(result.modes[1]).toMatchObject({ mode: 'pad128', floorSecondsPerStep: null, stepOverFloor: null });
  });

  it('counts the arithmetic of what was computed', () => {
    expect(result.modes[1]!.gflopPerStep / result.gflopPerStep).toBeCloseTo(4, 12);
    const weights = 4 * (4 * 64 * 64 + 2 * 64 * 256) + 64 * 2;
    expect(result.gflopPerStep).toBeCloseTo((2 * 100 * 3 * weights) / 1e9, 12);
  });
});

describe('parseBenchOptions', () => {
  it.each([
    ['batchSize', 0],
    ['steps', 0],
    ['modes', []],
    ['lengths', []],
    ['kernels', 'fast'],
    ['unknown', 1],
  ])('refuses %s of %j', async (name, value) => {
    const error = await thrownBy(() => parseBenchOptions({ ...base, [name]: value } as never));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(name);
  });
});

describe('the prefix store of a measurement', () => {
  const kept = {
    ...base,
    modes: ['packed'] as BenchMode[],
    prefixStore: true,
    frozenDropout: 'off' as const,
  };

  it.each([
    ['`frozenDropout` off', { ...kept, freeze: bottomUp(1), frozenDropout: 'on' as const }],
    ['mode packed', { ...kept, freeze: bottomUp(1), modes: ['packed', 'longest'] as BenchMode[] }],
    ['frozen prefix', { ...kept, freeze: bottomUp(0) }],
    ['frozen prefix', { ...kept, freeze: topDown(2) }],
  ])('needs the right %s', async (word, options) => {
    const error = await thrownBy(() => parseBenchOptions(options));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(word);
  });

  it('is left out where none is asked for', () => {
    expect(parseBenchOptions({ ...kept, freeze: bottomUp(1) }).prefixStore).toBe(true);
    expect(parseBenchOptions(base).prefixStore).toBe(false);
  });
});

describe('quantiles', () => {
  it('lie between neighbours', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9, 12);
    expect(median([])).toBeNaN();
  });
});
