import { describe, expect, it } from 'vitest';
import { PRESETS, presetByName } from '../../src/experiment/presets/by-name.js';
import { PAPER_TRAINING, trainingSettingsSchema } from '../../src/experiment/training-settings.js';
import {
  applyOverrides,
  parseWorkspaceOptions,
  prefixCacheOptions,
} from '../../src/experiment/workspace-options.js';

const invalid = expect.objectContaining({ code: 'INVALID_OPTION' });

describe('options of a workspace', () => {
  it.each([
    [{ data: 'a.txt', train: 'b.txt' }, '`data` and `train`'],
    [{ split: '80-10-10' }, '`data`'],
    [{ train: 'a.txt' }, '`validation`'],
    [{ test: 'a.txt' }, '`train`'],
    [{ model: 'dir', shape: 'mini' }, '`model` and `shape`'],
    [{ model: 'dir', vocab: 'vocab.txt' }, '`vocab`'],
    [{ epochs: 0 }, '`epochs`'],
    [{ batchSize: 1.5 }, '`batchSize`'],
    [{ patience: 0 }, '`patience`'],
    [{ evaluateEvery: 0 }, '`evaluateEvery`'],
    [{ learningrate: 1 }, 'learningrate'],
  ])('%j are refused, naming the option', (options, name) => {
    expect(() => parseWorkspaceOptions(options)).toThrowError(invalid);
    expect(() => parseWorkspaceOptions(options)).toThrowError(name);
  });

  it('give the budget of what is kept of frozen layers, or that nothing is', () => {
    const settings = applyOverrides(PAPER_TRAINING, { prefixPrecision: 'bf16' });
    const options = { prefixMemory: 1e9, prefixFile: 2e9, prefixDirectory: '/scratch' };
    expect(prefixCacheOptions(options, settings)).toEqual({
      precision: 'bf16',
      memoryBytes: 1e9,
      fileBytes: 2e9,
      directory: '/scratch',
    });
    expect(prefixCacheOptions({ prefixCache: false }, settings)).toBe(false);
    expect(() => parseWorkspaceOptions({ prefixCache: false, prefixPrecision: 'bf16' })).toThrowError(
      /`prefixPrecision`.*`prefixCache: false`/,
    );
  });

  it('replace single settings of a preset', () => {
    const settings = applyOverrides(PAPER_TRAINING, { epochs: 3, learningRate: 1e-4, frozenDropout: 'off' });
    expect(settings).toEqual({
      ...PAPER_TRAINING,
      epochs: 3,
      optimizer: { ...PAPER_TRAINING.optimizer, learningRate: 1e-4 },
      frozenDropout: 'off',
    });
    expect(applyOverrides(PAPER_TRAINING, {})).toEqual(PAPER_TRAINING);
    const unclipped = applyOverrides(PAPER_TRAINING, { maxGradNorm: 0, maxSteps: 50 });
    expect(unclipped).toMatchObject({ maxSteps: 50, optimizer: { maxGradNorm: 0 } });
    expect(trainingSettingsSchema.parse(unclipped)).toEqual(unclipped);
    expect(applyOverrides(PAPER_TRAINING, { earlyStopping: false }).earlyStopping).toBe(false);
    expect(applyOverrides(PAPER_TRAINING, { patience: 5 }).earlyStopping).toEqual({
      metric: 'macroF1',
      patience: 5,
    });
  });
});

describe('presets', () => {
  it('are found by name, and a slip is met with the names that exist', () => {
    expect(presetByName('demo-kk').name).toBe('demo-kk');
    expect(() => presetByName('demo-k')).toThrowError(/Did you mean "demo-kk"/);
    expect(() => presetByName('squad')).toThrowError(/demo, demo-kk, conll2003, kaznerd/);
  });

  it('have whole and valid settings', () => {
    for (const preset of PRESETS)
      expect(trainingSettingsSchema.parse(preset.training)).toEqual(preset.training);
  });

  it('keep to the paper where they stand for it', () => {
    for (const name of ['conll2003', 'kaznerd']) {
      const { training } = presetByName(name);
      expect(training).toMatchObject({ epochs: 10, batchSize: 32, maxLength: 128, frozenDropout: 'on' });
      expect(training.optimizer).toMatchObject({ learningRate: 3e-5, weightDecay: 0.01, maxGradNorm: 1 });
    }
  });
});
