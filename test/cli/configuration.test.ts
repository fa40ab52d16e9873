import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configured } from '../../src/cli/configuration/configure.js';
import type { CommandContext } from '../../src/cli/context.js';
import { buildProgram, main } from '../../src/cli/main.js';
import { workspaceOptionsOf } from '../../src/cli/options.js';
import { Output } from '../../src/cli/output.js';
import { optionsOf } from '../../src/cli/schema-options.js';
import { pretrainingShape } from '../../src/experiment/pretraining-options.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const captured = capturedOutput();
let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-settings-'));
  const { train, validation } = smallTask();
  for (const [name, sentences] of Object.entries({ train, validation })) {
    const text = sentences.map(({ words, tags }) => words.map((word, i) => `${word}\t${tags[i]}\n`).join(''));
    await writeFile(at(name), text.join('\n'));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The flags that a command line with its settings comes to. */
async function settled(...args: string[]) {
  let flags: Parameters<typeof workspaceOptionsOf>[0] = {};
  const output = new Output({ json: false });
  const program = buildProgram((action) => async (given, command) => {
    flags = await configured(given, command, output);
    void (action satisfies (flags: never, context: CommandContext) => unknown);
  });
  await program.parseAsync(args, { from: 'user' });
  return flags;
}

const optionsFor = async (...args: string[]) => workspaceOptionsOf(await settled('train', ...args));

async function file(name: string, text: string): Promise<string> {
  await writeFile(at(name), text);
  return at(name);
}

describe('settings', () => {
  it('come from YAML or JSON, flat or in the groups of the API', async () => {
    const yaml = await file(
      'a.yaml',
      'preset: demo # for a start\nepochs: 2\nprefixMemory: 4GB\noptimizer:\n  betas: [0.9, 0.98]\n  learningRate: 3e-4\n' +
        'loss: { focalGamma: 2 }\nearlyStopping:\n  metric: entityF1\n  patience: 3\n',
    );
    const expected = {
      preset: 'demo',
      epochs: 2,
      prefixMemory: 4e9,
      betas: [0.9, 0.98],
      learningRate: 3e-4,
      focalGamma: 2,
      metric: 'entityF1',
      patience: 3,
    };
    expect(await optionsFor('--config', yaml)).toEqual(expected);
    const json = await file('a.json', JSON.stringify(expected, null, 2));
    expect(await optionsFor('--config', json)).toEqual(expected);
  });

  it('are typed by their schemas where --set has them as text', async () => {
    const sets = [
      'betas=0.9,0.98',
      'optimizer.eps=1e-6',
      'model=123',
      'tokenColumn=2',
      'earlyStopping=false',
    ];
    const more = [
      'train=a.conll',
      'prefixFile=2GiB',
      'classWeights.O=0.5',
      'loss.classWeights.B-PER=2',
      'tf32=true',
    ];
    expect(await optionsFor(...[...sets, ...more].flatMap((set) => ['--set', set]))).toEqual({
      betas: [0.9, 0.98],
      eps: 1e-6,
      model: '123',
      tokenColumn: 2,
      earlyStopping: false,
      train: 'a.conll',
      prefixFile: 2 ** 31,
      classWeights: { O: 0.5, 'B-PER': 2 },
      tf32: true,
    });
  });

  it('give way: a flag before --set, this before the file', async () => {
    const config = await file('order.yaml', 'epochs: 1\nbatchSize: 1\nmaxLength: 11\nlowercase: true\n');
    const args = [
      '--config',
      config,
      '--set',
      'epochs=2',
      '--set',
      'batchSize=2',
      '--epochs',
      '3',
      '--cased',
    ];
    expect(await optionsFor(...args)).toEqual({ epochs: 3, batchSize: 2, maxLength: 11, lowercase: false });
  });

  it('give way also to what stands in their place', async () => {
    const config = await file(
      'place.yaml',
      'data: all.conll\nsplit: 70-15-15\nmodel: m\nearlyStopping: false\nwarmupSteps: 5\nprefixCache: false\n',
    );
    const near = ['--train', 'a', '--validation', 'b', '--shape', 'mini', '--patience', '2'];
    const sets = ['--set', 'warmupRatio=0.1', '--set', 'prefixMemory=1GB'];
    expect(await optionsFor('--config', config, ...near, ...sets)).toEqual({
      train: ['a'],
      validation: ['b'],
      shape: 'mini',
      patience: 2,
      warmupRatio: 0.1,
      prefixMemory: 1e9,
    });
  });

  it('of a pretraining are those of its own options', async () => {
    const config = await file(
      'pretrain.yaml',
      'text: [corpus.txt]\nmaskRate: 0.2\noptimizer: { betas: [0.9, 0.98] }\n',
    );
    expect(optionsOf(pretrainingShape, await settled('pretrain', '--config', config))).toEqual({
      text: ['corpus.txt'],
      maskRate: 0.2,
      betas: [0.9, 0.98],
    });
  });

  it.each([
    ['epochs: 2\nepoch: 3\n', 2, "no option 'epoch'. Did you mean 'epochs'?"],
    ['optimizer:\n  learningRate: 1\n  beta: 1\n', 3, "no option 'optimizer.beta'. Did you mean 'betas'?"],
    ['learning-rate: 1\n', 1, "Did you mean 'learningRate'?"],
    ['\n\nepochs: three\n', 3, '--epochs: expected a number, got "three"'],
    ['optimizer:\n  betas: [0.9, 2]\n', 2, 'betas.1: expected a number below 1, got 2'],
    ['optimizer: fast\n', 1, 'expected an object of learningRate'],
    ['restart: true\n', 1, "no option 'restart'"],
  ])('that are wrong name file and line: %j', async (text, line, message) => {
    const config = await file('wrong.yaml', text);
    expect(await main(['train', '--config', config])).toBe(2);
    expect(captured.err).toContain(`${config}:${line}: `);
    expect(captured.err).toContain(message);
  });

  it.each([
    ['epochs: [1\n', /wrong\.yaml:\d: not settings/],
    ['- 1\n', /expected options by their names/],
    ['epochs: 1\nepochs: 2\n', /wrong\.yaml:2: not settings/],
    ['{"schemaVersion": 99}', /version 99.*newer permafrost/],
    ['{"schemaVersion": 0, "scenario": {}}', /not a run record of version 1/],
    ['{"schemaVersion": 0, "kind": "pretraining"}', /version 0, expected 1/],
  ])('that are none end with 1: %j', async (text, message) => {
    const config = await file('wrong.yaml', text);
    expect(await main(['train', '--config', config])).toBe(1);
    expect(captured.err).toMatch(message);
  });

  it('that are not there, or without a value, are wrong', async () => {
    expect(await main(['train', '--config', at('none.yaml')])).toBe(1);
    expect(captured.err).toContain('FILE_NOT_FOUND');
    expect(await main(['train', '--set', 'epochs'])).toBe(2);
    expect(captured.err).toContain('--set: expected name=value');
    expect(await main(['train', '--set', 'prefixMemory=4parsecs'])).toBe(2);
    expect(captured.err).toContain('--set prefixMemory: ');
  });
});

describe('the record of a run', () => {
  const made = () => [
    ...['--train', at('train'), '--validation', at('validation'), '--shape', 'layers=2,hidden=16,heads=2'],
    ...['--vocab-size', '400', '--threads', '1', '--batch-size', '8', '--epochs', '2', '--max-steps', '5'],
    ...['--betas', '0.9,0.98', '--schedule', 'cosine', '--label-smoothing', '0.1', '--metric', 'entityF1'],
    ...['--freeze', 'bottom-up:1', '--seed', '7', '--train-size', '40', '--carbon-intensity', '300'],
  ];
  const recordOf = async (name: string) => JSON.parse(await readFile(join(at(name), 'record.json'), 'utf8'));

  it('repeats it to the bit, and tells beforehand how many steps it takes', async () => {
    expect(await main(['train', ...made(), '--out', at('first')])).toBe(0);
    const config = join(at('first'), 'record.json');
    expect(await main(['train', '--config', config, '--out', at('second')])).toBe(0);
    const [first, second] = [await recordOf('first'), await recordOf('second')];
    expect(second.losses).toEqual(first.losses);
    expect(second.scenario).toEqual(first.scenario);
    expect(second).toMatchObject({ run: first.run, sources: first.sources, seed: 7, threads: 1 });
    expect(first.scenario).toMatchObject({ trainSize: 40, strategy: 'bottom-up:1' });

    // A dry run of the same says what it was, and that nothing is left to do.
    captured.out = '';
    const dry = ['train', '--config', config, '--out', at('first'), '--dry-run', '--json'];
    expect(await main(dry)).toBe(0);
    const told = JSON.parse(captured.out);
    expect(told).toMatchObject({
      type: 'dry-run',
      runs: 1,
      runsLeft: 0,
      totalParameters: first.totalParameters,
    });
    expect(told.scenarios).toMatchObject([
      {
        strategy: 'bottom-up:1',
        steps: first.steps,
        epochs: first.epochs.length,
        trainableParameters: first.trainableParameters,
        sentences: { train: 40, validation: first.data.validation.sentences, test: null },
      },
    ]);
    expect(told.present).toEqual([{ path: at('first'), kind: 'finished' }]);
    expect(told.memoryBytes.parameters).toBe(first.memoryBytes.parameters);
    expect(told.memoryBytes.optimizer).toBe(first.memoryBytes.optimizer);
  });

  it('gives a grid its settings, but neither plan nor seed, and says where data are others', async () => {
    const config = join(at('first'), 'record.json');
    const flags = await settled('paper', '--config', config, '--seeds', '1');
    expect(workspaceOptionsOf(flags)).toMatchObject({ betas: [0.9, 0.98], train: [at('train')] });
    captured.err = '';
    const others = ['--train', at('validation'), '--train-size', '20', '--out', at('other'), '--dry-run'];
    expect(await main(['train', '--config', config, ...others, '--validation', at('validation')])).toBe(0);
    expect(captured.err).toMatch(/the data of this run are not those of the record/);
    await expect(readFile(at('other'))).rejects.toThrow('ENOENT');
    expect(await main(['pretrain', '--config', config])).toBe(2);
    expect(captured.err).toContain('permafrost train');
  });
});

describe('--dry-run', () => {
  it('of a grid counts its runs, and leaves nothing', async () => {
    const data = [
      '--train',
      at('train'),
      '--validation',
      at('validation'),
      '--batch-size',
      '8',
      '--epochs',
      '2',
    ];
    const model = ['--shape', 'layers=4,hidden=16,heads=2', '--vocab-size', '400', '--threads', '1'];
    const args = ['paper', ...data, ...model, '--seeds', '2', '--strategies', 'full,bottom-up:2,bottom-up:4'];
    expect(await main([...args, '--out', at('grid'), '--dry-run', '--json'])).toBe(0);
    const told = JSON.parse(captured.out);
    expect(told).toMatchObject({ runs: 6, runsLeft: 6 });
    const learning = told.scenarios.map((one: { trainableParameters: number }) => one.trainableParameters);
    const seconds = told.scenarios.map((one: { seconds: number }) => one.seconds);
    expect(learning).toEqual([...learning].sort((a, b) => b - a));
    expect(seconds).toEqual([...seconds].sort((a, b) => b - a));
    await expect(readFile(at('grid'))).rejects.toThrow('ENOENT');
  });

  it('of a pretraining tells its steps', async () => {
    const text = await file('corpus.txt', 'Aya sings in Oslo every day\n'.repeat(60));
    const model = ['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '100', '--min-frequency', '1'];
    const args = [
      'pretrain',
      '--text',
      text,
      ...model,
      '--threads',
      '1',
      '--max-steps',
      '7',
      '--batch-tokens',
      '64',
    ];
    const code = await main([...args, '--out', at('base'), '--dry-run', '--json']);
    const told = JSON.parse(captured.out);
    // A vocabulary that the text does not give is refused as in a training.
    if (code === 2) return expect(told.code).toBe('INVALID_OPTION');
    expect(told).toMatchObject({ type: 'dry-run', steps: 7, rows: { train: 57, validation: 3 } });
  });
});
