import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { factsOf } from '../../src/cli/command-facts.js';
import { settle } from '../../src/cli/configuration/settle.js';
import { buildProgram } from '../../src/cli/main.js';
import { createSchema, loadSchema } from '../../src/model/options.js';
import { pretrainSchema } from '../../src/training/masking-task.js';
import { finetuneSchema } from '../../src/training/tagging-task.js';

type Shape = Readonly<Record<string, z.ZodType>>;

/** Why an option of the API is not one of the command line. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  model: 'an object; --model names one',
  train: 'sentences; --train names files',
  validation: 'sentences; --validation names files',
  test: 'sentences; --test names files',
  encoded: 'what the workspace has encoded',
  signal: 'SIGINT and its like',
  hub: 'variables of the environment, as the Hub has them',
  tokenizer: 'an object; --vocab names a file',
  labels: 'those of the data',
  restart: 'a flag alone, so that no file deletes anything',
  'energy.counters': 'functions of a program',
};

/** Options whose names the command line has shortened. */
const NAMES: Readonly<Record<string, string>> = {
  freezing: 'freeze',
  directory: 'out',
  'energy.carbonIntensity': 'carbonIntensity',
};

const command = (name: string) =>
  buildProgram(() => () => Promise.resolve()).commands.find((one) => one.name() === name)!;

/** Options with those that they hold, such as `optimizer.betas`. */
function pathsOf(shape: Shape, prefix = ''): string[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const inner = shapeOf(schema);
    return inner === null ? [`${prefix}${name}`] : pathsOf(inner, `${prefix}${name}.`);
  });
}

/** The options of an object, behind defaults, unions and the like; null of other values. */
function shapeOf(schema: z.ZodType): Shape | null {
  const def = schema.def as { shape?: Shape; innerType?: z.ZodType; out?: z.ZodType; options?: z.ZodType[] };
  if (def.shape) return def.shape;
  const inner = def.innerType ?? def.out;
  if (inner) return shapeOf(inner);
  return def.options?.map(shapeOf).find((shape) => shape !== null) ?? null;
}

/** Whether a file may have the option, and where the file may not, why. */
function isReachable(path: string, settings: Shape, name: string): boolean {
  const own = NAMES[path] ?? path;
  try {
    settle([{ path: own.split('.'), value: Symbol(), place: 'test' }], settings, name);
    return true;
  } catch (error) {
    // A value that is refused is one that is known.
    return !(error as Error).message.includes('there is no option');
  }
}

describe('every option of the API', () => {
  it.each([
    ['finetune', finetuneSchema.shape as Shape, 'train'],
    ['pretrain', pretrainSchema.shape as Shape, 'pretrain'],
    ['TokenClassifier.load', loadSchema.shape as Shape, 'train'],
    ['TokenClassifier.create', createSchema.shape as Shape, 'train'],
  ])('of %s has a flag, or a name for --set', (_, shape, name) => {
    const settings = factsOf(command(name)).settings!;
    const paths = pathsOf(shape);
    expect(paths.length).toBeGreaterThan(5);
    const missing = paths.filter(
      (path) => !Object.hasOwn(EXCEPTIONS, path) && !isReachable(path, settings, name),
    );
    expect(missing).toEqual([]);
  });

  it('would be missed where it had neither', () => {
    const settings = factsOf(command('train')).settings!;
    expect(isReachable('optimizer.momentum', settings, 'train')).toBe(false);
    expect(isReachable('sharpness', settings, 'train')).toBe(false);
    expect(isReachable('optimizer.betas', settings, 'train')).toBe(true);
  });

  it('is a setting or a flag in every command that trains, by the same name', () => {
    for (const name of ['train', 'paper', 'search', 'pretrain']) {
      const own = command(name);
      const flags = own.options.map((option) => option.attributeName());
      const hidden = Object.entries(factsOf(own).settings!).filter(
        ([setting, schema]) => !flags.includes(setting) && schema.meta()?.negatedBy === undefined,
      );
      // Which fold a run is of has no flag: --folds of a search does them all.
      expect(hidden.map(([setting]) => setting)).toEqual(name === 'train' ? ['fold'] : []);
      for (const flag of ['config', 'set', 'dryRun', 'json', 'restart']) expect(flags).toContain(flag);
    }
  });
});
