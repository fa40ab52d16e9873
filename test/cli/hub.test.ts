import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { type LocalHub, localHub } from '../helpers/local-hub.js';

const CONFIG = JSON.parse(readFileSync('test/fixtures/parity/config.json', 'utf8'));
const WORDS = ['anna', 'lives', 'in', 'almaty', 'astana', 'marat', '.'];
const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...WORDS];
while (VOCAB.length < CONFIG.vocab_size) VOCAB.push(`[unused${VOCAB.length}]`);
const TEXT = 'Anna B-PER\nlives O\nin O\nAlmaty B-LOC\n. O\n\nMarat B-PER\nlives O\nin O\nAstana B-LOC\n\n';

let home: string;
let hub: LocalHub;
const output = capturedOutput();
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'permafrost-hub-'));
  hub = await localHub({
    'some-one/tiny-bert': {
      files: {
        'config.json': JSON.stringify(CONFIG),
        'model.safetensors': readFileSync('test/fixtures/parity/model.safetensors'),
        'vocab.txt': `${VOCAB.join('\n')}\n`,
      },
    },
    'some-one/towns': {
      type: 'dataset',
      files: { 'train.conll': TEXT.repeat(8), 'dev.conll': TEXT, 'test.conll': TEXT.repeat(2) },
    },
  });
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_HUB_CACHE', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

const events = () =>
  output.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('names of the Hub on the command line', () => {
  it('train, evaluate and predict a model without a file of the user', async () => {
    const model = ['--model', 'some-one/tiny-bert', '--dataset', 'some-one/towns'];
    const settings = ['--epochs', '1', '--batch-size', '4', '--threads', '1', '--max-length', '32', '--json'];
    const code = await main(['train', ...model, ...settings, '--out', join(home, 'run')]);
    expect({ code, err: code === 0 ? '' : output.out }).toEqual({ code: 0, err: '' });
    const { record } = events().at(-1);
    expect(record.scenario.model.name).toBe('some-one/tiny-bert');
    expect(record.scenario.dataset).toMatchObject({ source: 'hub', name: 'towns', repo: 'some-one/towns' });
    const fetched = events().filter(({ type }) => type === 'download');
    expect(new Set(fetched.map(({ path }) => path))).toEqual(
      new Set(['config.json', 'vocab.txt', 'model.safetensors', 'train.conll', 'dev.conll', 'test.conll']),
    );
    output.out = '';
    await hub.stop();
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const offline = ['--model', 'some-one/tiny-bert', '--threads', '1', '--max-length', '32', '--json'];
    expect(await main(['evaluate', ...offline, '--dataset', 'some-one/towns'])).toBe(0);
    expect(events().at(-1)).toMatchObject({ type: 'evaluation', file: 'some-one/towns, test' });
    output.out = '';
    expect(await main(['predict', ...offline, '--text', 'Anna lives in Almaty'])).toBe(0);
    expect(events().at(-1)).toMatchObject({ type: 'entities', text: 'Anna lives in Almaty' });
  });

  it('answer what is not there with one line and code 1, wrong use with 2', async () => {
    expect(await main(['train', '--model', 'some-one/none', '--dataset', 'some-one/towns'])).toBe(1);
    expect(output.err).toContain('[ACCESS_DENIED]');
    expect(output.err).toContain('does not exist, or it is private');
    expect(await main(['evaluate', '--model', 'some-one/tiny-bert'])).toBe(2);
    expect(await main(['train', '--shape', 'mini', '--dataset', 'conll20003'])).toBe(2);
    expect(output.err).toContain('Did you mean conll2003?');
    expect(await main(['train', '--shape', 'mini', '--dataset', 'wnut17', '--data', 'x'])).toBe(2);
    expect(await main(['train', '--shape', 'mini', '--data', 'x', '--dataset-config', 'en'])).toBe(2);
  });

  it('lists the datasets that have a short name', async () => {
    expect(await main(['datasets'])).toBe(0);
    for (const name of ['conll2003', 'kaznerd', 'wnut17', 'wikiann', 'few-nerd', 'uner']) {
      expect(output.out).toContain(name);
    }
    expect(output.out).toContain('CC-BY-4.0');
  });
});
