import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const captured = capturedOutput();
const task = smallTask();
let folder: string;
let model: string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-study-'));
  for (const split of ['train', 'validation', 'test'] as const) {
    const text = task[split].map(({ words, tags }) =>
      words.map((word, i) => `${word}\t${tags[i]}\n`).join(''),
    );
    writeFileSync(join(folder, `${split}.conll`), text.join('\n'));
  }
  await using start = await task.createModel();
  await start.save(join(folder, 'model'));
  model = [
    ...['train', 'validation', 'test'].flatMap((split) => [`--${split}`, join(folder, `${split}.conll`)]),
    ...['--model', join(folder, 'model'), '--threads', '1'],
    ...['--epochs', '4', '--learning-rate', '5e-3', '--batch-size', '8', '--no-early-stopping'],
  ];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The objects that a command answers, by what follows `study`. */
async function study(...args: string[]) {
  captured.out = '';
  const code = await main(['study', ...args, '--json']);
  const objects = captured.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { code, objects, last: objects.at(-1) };
}

const text = (...parts: string[]) => readFileSync(join(folder, ...parts), 'utf8');

describe('permafrost study', () => {
  it('measures gradients, then representations of the same runs, then their errors', async () => {
    const out = join(folder, 'out');
    const strategies = ['--strategies', 'bottom-up:0,bottom-up:2'];
    const gradients = await study('gradients', ...model, ...strategies, '--batches', '4', '--out', out);
    expect(gradients.code).toBe(0);
    const { studies } = gradients.last;
    expect(studies.map(({ strategy }: { strategy: string }) => strategy)).toEqual([
      null,
      'bottom-up:0',
      'bottom-up:2',
    ]);
    for (const { parts, batches } of studies) {
      expect(batches).toBe(4);
      expect(parts.map(({ part }: { part: string }) => part)).toEqual([
        'embeddings',
        'layer 0',
        'layer 1',
        'head',
      ]);
      for (const { norm, batchNorm, variance, noise } of parts) {
        expect(variance).toBeGreaterThan(0);
        // E|g|^2 = |E g|^2 + variance, of which the norm is freed; both are estimates of one sample.
        expect(batchNorm ** 2).toBeCloseTo(norm ** 2 + variance, norm > 0 ? 8 : 0);
        if (noise !== null) expect(noise).toBeCloseTo(variance / norm ** 2, 6);
      }
    }
    const frozen = studies[2].parts.map(({ frozen }: { frozen: boolean }) => frozen);
    expect(frozen).toEqual([true, true, true, false]);
    expect(text('out', 'gradients.md')).toContain('| layer 1 |');
    expect(text('out', 'figures', 'gradients.svg')).toContain('<svg');

    const similarity = await study('similarity', ...model, ...strategies, '--tokens', '100', '--out', out);
    expect(similarity.objects.filter(({ type }) => type === 'step')).toEqual([]);
    const [free, bound] = similarity.last.studies;
    expect(free.tokens).toBeGreaterThanOrEqual(100);
    expect(free.tokens).toBeLessThan(200);
    for (const { cka } of bound.outputs) expect(cka).toBeCloseTo(1, 9);
    // The embeddings are frozen with k = 0, too; what is above them learns.
    expect(free.outputs[0].cka).toBeCloseTo(1, 9);
    expect(free.outputs[2].cka).toBeLessThan(0.99);
    expect(text('out', 'similarity.html')).toContain('before training');

    const errors = await study(
      'errors',
      out,
      '--train',
      join(folder, 'train.conll'),
      '--out',
      join(folder, 'errors'),
    );
    expect(errors.code).toBe(0);
    const { split, compared } = errors.last;
    expect(split).toBe('test');
    const [first] = errors.last.studies;
    const record = JSON.parse(
      readFileSync(join(runOf(gradients.objects, 'bottom-up:0'), 'record.json'), 'utf8'),
    );
    expect(first.analysis.total.f1).toBe(record.test.entities.micro.f1);
    const gold = task.test.flatMap(({ tags }) => tags.filter((tag) => tag.startsWith('B-')));
    expect(first.analysis.total.gold).toBe(gold.length);
    expect(first.analysis.groupings.map(({ title }: { title: string }) => title)).toEqual([
      'words of the entity',
      'surface form in training',
      'training entities of the type',
      'tokens a word',
      'type',
    ]);
    const { bothRight, neitherRight, onlyFirst, onlySecond } = compared.comparison;
    expect(bothRight + neitherRight + onlyFirst.length + onlySecond.length).toBe(task.test.length);
    for (const { source } of [...onlyFirst, ...onlySecond]) expect(source).toMatch(/test\.conll:\d+$/);
    expect(text('errors', 'errors.md')).toMatch(/Sentences that only one gets right/);
    expect(text('errors', 'figures', 'errors.svg')).toContain('<svg');

    // Two directories with scenarios of one name are told apart.
    const twice = await study('errors', runOf(gradients.objects, 'bottom-up:0'), out);
    const names = twice.last.studies.map(({ strategy }: { strategy: string }) => strategy);
    expect(new Set(names).size).toBe(3);
  });

  it('refuses what it cannot compare or find', async () => {
    const none = await study('errors', join(folder, 'nothing'));
    expect(none.code).toBe(1);
    expect(none.last).toMatchObject({ type: 'error', code: 'FILE_NOT_FOUND' });
    const between = await study('errors', join(folder, 'out'), '--between', 'bottom-up:0', 'full');
    expect(between.last).toMatchObject({ code: 'INVALID_OPTION' });
    expect(between.last.message).toMatch(/bottom-up:0, bottom-up:2/);
    const batches = await study('gradients', ...model, '--batches', '16', '--out', join(folder, 'out'));
    expect(batches.last).toMatchObject({ code: 'INVALID_OPTION' });
    expect(batches.last.message).toMatch(/2 to 15/);
  });
});

/** Directory of the run of a scenario, by what was said of it. */
function runOf(objects: { type: string; path?: string; kind?: string }[], strategy: string): string {
  const name = strategy.replace(':', '-');
  const path = objects.map(({ path }) => path ?? '').find((found) => found.includes(`/${name}-`));
  return path!.replace(/\/(?:best|last.*)$/, '');
}
