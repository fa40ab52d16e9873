import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { Tagger, TokenClassifier } from '../../src/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-train-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

it('permafrost train leaves a model that can tag, with a card that says how it came about', async () => {
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  const lines = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const data = join(folder, 'tiny.conll');
  const sentences = Array.from({ length: 60 }, (_, i) => `Aya${i % 7} B-PER\nsings O\nin O\nOslo B-LOC\n`);
  await writeFile(data, sentences.join('\n'));
  const out = join(folder, 'out');
  const model = ['--shape', 'layers=2,hidden=16,heads=2', '--threads', '1'];
  const training = ['--freeze', 'bottom-up:1', '--epochs', '1', '--out', out];
  expect(await main(['train', '--data', data, ...model, ...training, '--language', 'en'])).toBe(0);
  expect(lines.mock.calls[0]![0]).toMatch(/bottom-up:1, seed 42: .* parameters learn on cpu\n$/);
  const record = JSON.parse(await readFile(join(out, 'record.json'), 'utf8'));
  expect(record.hardware.device).toBe('cpu');
  const best = join(out, 'best');
  const card = await readFile(join(best, 'README.md'), 'utf8');
  expect(card).toContain('language: en');
  expect(card).toContain('`bottom-up:1`');
  expect(card).toContain('permafrost train --data tiny.conll --shape layers=2,hidden=16,heads=2');
  expect(card).not.toContain(folder);
  const { model_max_length } = JSON.parse(await readFile(join(best, 'tokenizer_config.json'), 'utf8'));
  const { max_position_embeddings } = JSON.parse(await readFile(join(best, 'config.json'), 'utf8'));
  expect(model_max_length).toBe(max_position_embeddings);
  const tagger = await Tagger.load(best, { threads: 1 });
  expect(tagger.labels).toEqual(['B-LOC', 'B-PER', 'O']);
  await tagger.dispose();
  for (const device of ['auto', 'cpu', undefined]) {
    await using model = await TokenClassifier.load(best, { threads: 1, ...(device && { device }) });
    expect(model.device).toBe('cpu');
  }
});
