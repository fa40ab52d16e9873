import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBenchOptions } from '../../src/bench/options.js';
import { main } from '../../src/cli/main.js';
import { parsePretrainingOptions } from '../../src/experiment/pretraining-options.js';
import { parseShape } from '../../src/experiment/shape.js';
import { openWorkspace } from '../../src/experiment/workspace.js';
import { bottomUp, evaluate, finetune, readSentences, TokenClassifier } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { type SmallTask, smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';
import { namesOfOther } from './provoked.js';

const folder = mkdtempSync(join(tmpdir(), 'permafrost-options-'));
const output = capturedOutput();
let task: SmallTask;
let model: TokenClassifier;
beforeAll(async () => {
  task = smallTask();
  model = await task.createModel();
  await model.save(at('model'));
  writeFileSync(at('data.conll'), 'Anna B-PER\nlives O\n\n'.repeat(20));
  writeFileSync(at('data.jsonl'), '{"words":["Anna"],"tags":["B-PER"]}\n'.repeat(20));
  writeFileSync(at('numbers.jsonl'), '{"words":["Anna"],"tags":[1]}\n');
  writeFileSync(at('lengths.json'), '[5, 6, 7]');
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string) => join(folder, name);
const tune = (options: object) => () =>
  finetune({ model, train: task.train, validation: task.validation, ...options }).result;
const open = (options: object) => () => openWorkspace(options);
const train = (...args: string[]) => ['train', '--data', at('data.conll'), '--shape', 'tiny', ...args];
const bench = (...args: string[]) => ['bench', '--lengths', at('lengths.json'), '--shape', 'tiny', ...args];
const tiny = () => ({
  shape: parseShape('tiny'),
  lengths: [5, 6],
  freeze: bottomUp(1),
  modes: ['packed' as const],
});

/** What fails through both faces, and how each names what was wrong. */
const CASES: [name: string, api: () => unknown, says: string, args: () => string[], tells: string][] = [
  [
    'a value out of range',
    tune({ batchSize: 0 }),
    'finetune: `batchSize`: expected a number above 0, got 0.',
    () => train('--batch-size', '0'),
    '--batch-size: expected a number above 0, got 0.',
  ],
  [
    'an option in a group',
    tune({ optimizer: { learningRate: -1 } }),
    '`optimizer.learningRate`: expected a number above 0, got -1',
    () => train('--learning-rate', '-1'),
    '--learning-rate: expected a number above 0, got -1',
  ],
  [
    'a value of a wrong type',
    tune({ epochs: 'three' }),
    '`epochs`: expected a number, got "three"',
    () => train('--epochs', 'three'),
    '--epochs: expected a whole number, got "three"',
  ],
  [
    'a choice that there is not',
    open({ precision: 'fp8' }),
    '`precision`: expected one of fp32, bf16, got "fp8"',
    () => train('--precision', 'fp8'),
    '--precision: expected one of fp32, bf16, got "fp8"',
  ],
  [
    'an option that there is not',
    tune({ epoch: 3 }),
    "there is no option 'epoch'. Did you mean `epochs`?",
    () => train('--epoch', '3'),
    "there is no option '--epoch'. Did you mean --epochs?",
  ],
  [
    'more positions than the model has',
    () => evaluate({ model, sentences: task.validation, maxLength: 4096 }),
    '`maxLength`: the model has 128 positions, got 4096',
    () => ['evaluate', '--model', at('model'), '--data', at('data.conll'), '--max-length', '4096'],
    '--max-length: the model has 128 positions, got 4096',
  ],
  [
    'a device without a meaning',
    () => TokenClassifier.load(at('model'), { device: 'tpu' }),
    "device: expected 'cpu', 'cuda', 'cuda:<number>' or 'auto', got 'tpu'",
    () => ['evaluate', '--model', at('model'), '--data', at('data.conll'), '--device', 'tpu'],
    "--device: expected 'cpu', 'cuda', 'cuda:<number>' or 'auto', got 'tpu'",
  ],
  [
    'options that contradict each other',
    open({ data: 'a', train: 'b' }),
    '`data` and `train`: give either one file',
    () => ['paper', '--data', 'a', '--train', 'b'],
    '--data and --train: give either one file',
  ],
  [
    'an option that another one needs',
    open({ datasetConfig: 'en' }),
    '`datasetConfig` names a part of `dataset`',
    () => ['paper', '--dataset-config', 'en'],
    '--dataset-config names a part of --dataset',
  ],
  [
    'an option that another one switches off',
    open({ prefixCache: false, prefixMemory: 1 }),
    '`prefixMemory` is for outputs that are kept; `prefixCache: false` keeps none',
    () => train('--no-prefix-cache', '--prefix-memory', '1'),
    '--prefix-memory is for outputs that are kept; --no-prefix-cache keeps none',
  ],
  [
    'what a preset needs',
    open({ preset: 'conll2003' }),
    'one file `data` with `split` 80-10-10',
    () => ['paper', '--preset', 'conll2003'],
    'one file --data with --split 80-10-10',
  ],
  [
    'no model',
    open({ data: at('data.conll') }),
    'No model given: give `model`, a directory',
    () => ['train', '--data', at('data.conll')],
    'No model given: give --model, a directory',
  ],
  [
    'a column of keys',
    open({ data: at('data.jsonl'), shape: 'tiny', tokenColumn: 1 }),
    '`tokenColumn`: ',
    () => ['train', '--data', at('data.jsonl'), '--shape', 'tiny', '--token-column', '1'],
    '--token-column: ',
  ],
  [
    'a part of a shape',
    () => parseShape('layers=0,hidden=8,heads=2'),
    'layers: expected a number above 0, got 0',
    () => ['train', '--data', at('data.conll'), '--shape', 'layers=0,hidden=8,heads=2'],
    'layers: expected a number above 0, got 0',
  ],
  [
    'a share beside a file',
    () => parsePretrainingOptions({ text: ['a'], validation: 'b', validationShare: 5 }),
    '`validationShare` holds out a part',
    () => ['pretrain', '--out', at('out'), '--text', 'a', '--validation', 'b', '--validation-share', '5'],
    '--validation-share holds out a part',
  ],
  [
    'a store that cannot be',
    () => parseBenchOptions({ ...tiny(), prefixStore: true }),
    '`prefixStore` needs `frozenDropout` off',
    () => bench('--freeze', 'bottom-up:1', '--prefix-store'),
    '--prefix-store needs --frozen-dropout off',
  ],
  [
    'tags that are numbers',
    () => readSentences(at('numbers.jsonl')),
    'Name the tag of each number, from 0 on, with `tagNames`,',
    () => ['evaluate', '--model', at('model'), '--data', at('numbers.jsonl')],
    'Name the tag of each number, from 0 on, with --tag-names,',
  ],
];

describe.each(CASES)('%s', (_, api, says, args, tells) => {
  it('is told to a caller in the names of the API', async () => {
    const { message } = await thrownBy(api);
    expect(message).toContain(says);
    expect(message).not.toMatch(namesOfOther('api'));
  });

  it.each(['for people', 'as JSON'])(
    'is told on the command line in the names of its flags, %s',
    async (form) => {
      const isJson = form === 'as JSON';
      expect(await main([...args(), ...(isJson ? ['--json'] : [])])).toBeGreaterThan(0);
      const message = isJson ? (JSON.parse(output.out) as { message: string }).message : output.err;
      expect(message).toContain(tells);
      expect(message.replaceAll(folder, '').replaceAll(/'.*?'|".*?"/g, '')).not.toMatch(namesOfOther('cli'));
    },
  );
});
