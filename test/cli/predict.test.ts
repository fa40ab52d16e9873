import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { Tagger } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const task = smallTask();
const lines = task.test.slice(0, 40).map(({ words }) => words.join(' '));
let folder: string;
let model: string;
const output = capturedOutput();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-predict-'));
  model = join(folder, 'model');
  const fresh = await task.createModel();
  await fresh.save(model);
  await fresh.dispose();
  await writeFile(join(folder, 'text.txt'), `${lines.join('\r\n')}\r\n\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const predict = (...args: string[]) => main(['predict', '--model', model, '--threads', '1', ...args]);

describe('permafrost predict', () => {
  it('gives entities of a text, one JSON object', async () => {
    expect(await predict('--json', '--text', lines[0]!)).toBe(0);
    const tagger = await Tagger.load(model, { threads: 1 });
    const entities = await tagger.tag(lines[0]!);
    await tagger.dispose();
    expect(entities.length).toBeGreaterThan(0);
    expect(JSON.parse(output.out)).toEqual({ type: 'entities', text: lines[0], entities });
  });

  it('gives entities of each line of a file, in order', async () => {
    const args = ['--input', join(folder, 'text.txt'), '--aggregation', 'simple'];
    expect(await predict('--json', ...args)).toBe(0);
    const found = output.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(found.map(({ text }) => text)).toEqual(lines);
    for (const { text, entities } of found) {
      for (const entity of entities) expect(entity.text).toBe(text.slice(entity.start, entity.end));
    }
    output.out = '';
    expect(await predict(...args)).toBe(0);
    expect(output.out.startsWith(`${lines[0]}\n`)).toBe(true);
  });

  it('gives a tag for each word where no entities are asked for', async () => {
    expect(await predict('--json', '--input', join(folder, 'text.txt'))).toBe(0);
    const first = JSON.parse(output.out.split('\n')[0]!);
    expect(first).toMatchObject({ type: 'prediction', text: lines[0] });
    expect(first.tags.length).toBe(first.words.length);
    for (const tag of first.tags) expect(task.labels).toContain(tag);
  });

  it.each([
    [['--text', 'x', '--input', 'y'], 2, '--input'],
    [['--aggregation', 'best'], 2, 'average'],
    [['--input', 'nowhere.txt'], 1, 'nowhere.txt'],
    [['--input', '.'], 1, 'not a file'],
  ])('ends with an error after %j', async (args, code, word) => {
    expect(await predict(...args)).toBe(code);
    expect(output.err).toContain(word);
  });
});
