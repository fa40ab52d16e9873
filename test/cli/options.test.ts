import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  addTrainingOptions,
  experimentGroups,
  seedsFrom,
  workspaceOptionsOf,
} from '../../src/cli/options.js';
import type { Flags } from '../../src/cli/schema-options.js';
import { splitWords } from '../../src/data/split-words.js';
import { parseWorkspaceOptions, workspaceOptionsSchema } from '../../src/experiment/workspace-options.js';

function command(): Command {
  const made = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  return addTrainingOptions(made, {}, experimentGroups);
}

const flags = (...args: string[]): Flags => command().parse(args, { from: 'user' }).opts();

describe('flags of the command line', () => {
  it('become options of a workspace', () => {
    const given = flags(
      '--data',
      'a.txt',
      '--split',
      '80-10-10',
      '--shape',
      'mini',
      '--learning-rate',
      '3e-5',
    );
    expect(parseWorkspaceOptions(workspaceOptionsOf(given))).toEqual({
      data: ['a.txt'],
      split: '80-10-10',
      shape: 'mini',
      learningRate: 3e-5,
    });
  });

  it('say nothing where nothing was given', () => {
    expect(workspaceOptionsOf(flags())).toEqual({});
  });

  it('turn --cased and --no-early-stopping around', () => {
    expect(workspaceOptionsOf(flags('--cased', '--no-early-stopping'))).toEqual({
      lowercase: false,
      earlyStopping: false,
    });
  });

  it('take sizes in bytes with a unit', () => {
    const memory = (text: string) => workspaceOptionsOf(flags('--prefix-memory', text)).prefixMemory;
    expect(['0', '512MB', '1.5 GiB', '2k', '3tb'].map(memory)).toEqual([0, 512e6, 1.5 * 2 ** 30, 2000, 3e12]);
  });

  it('take numbers between commas', () => {
    const given = flags('--betas', '0.9,0.98', '--eps', '1e-6', '--layer-decay', '0.95');
    expect(parseWorkspaceOptions(workspaceOptionsOf(given))).toEqual({
      betas: [0.9, 0.98],
      eps: 1e-6,
      layerDecay: 0.95,
    });
    for (const wrong of ['0.9;0.98', '0.9,', 'x,y']) {
      expect(() => flags('--betas', wrong)).toThrow(/expected a number/);
    }
    for (const wrong of ['0.9', '0.9,0.98,0.99', '0.9,1']) {
      const code = expect.objectContaining({ code: 'INVALID_OPTION' });
      expect(() => parseWorkspaceOptions(workspaceOptionsOf(flags('--betas', wrong)))).toThrow(code);
    }
  });

  it('say that nothing of the frozen layers is kept', () => {
    expect(workspaceOptionsOf(flags('--no-prefix-cache'))).toEqual({ prefixCache: false });
  });

  it('cover every option of a workspace', () => {
    const names = command().options.map((option) => option.attributeName());
    // `--cased` says what `lowercase` does.
    const covered = [...names, 'lowercase'];
    expect(Object.keys(workspaceOptionsSchema.shape).filter((name) => !covered.includes(name))).toEqual([]);
  });

  it.each([
    [['--epochs', 'three']],
    [['--epochs', '-1']],
    [['--learning-rate', 'fast']],
    [['--frozen-dropout', 'maybe']],
    [['--prefix-memory', 'much']],
    [['--prefix-memory', '4 parsecs']],
    [['--prefix-precision', 'int8']],
    [['--batchsize', '3']],
  ])('%j are refused', (args) => {
    expect(() => flags(...args)).toThrowError(expect.objectContaining({ name: 'CommanderError' }));
  });
});

describe('a choice', () => {
  it('is refused in the words that its option has for a value', () => {
    const errors: string[] = [];
    const refused = command().configureOutput({ writeErr: (text) => errors.push(text) });
    expect(() => refused.parse(['--precision', 'int8'], { from: 'user' })).toThrow();
    expect(errors.join('')).toContain('load the model in int8');
  });
});

describe('seeds', () => {
  it('follow the first one', () => {
    expect(seedsFrom(7, 3)).toEqual([7, 8, 9]);
  });
});

describe('words of a line of text', () => {
  it('are letters and digits together, and each other character by itself', () => {
    expect(splitWords('Aya (32) met  Özge, i.e. her aunt.')).toEqual([
      'Aya',
      '(',
      '32',
      ')',
      'met',
      'Özge',
      ',',
      'i',
      '.',
      'e',
      '.',
      'her',
      'aunt',
      '.',
    ]);
    expect(splitWords('Қазақстанның 🙂')).toEqual(['Қазақстанның', '🙂']);
    expect(splitWords('   ')).toEqual([]);
  });
});
