import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gradualUnfreezing } from '../../examples/custom-schedule.js';
import { main as tag } from '../../examples/tag.js';
import { main as train } from '../../examples/train.js';
import type { Entity, Sentence } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';

const folder = mkdtempSync(join(tmpdir(), 'permafrost-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const task = smallTask();

function writeConll(name: string, sentences: readonly Sentence[]): string {
  const text = sentences
    .map(({ words, tags }) => words.map((word, i) => `${word}\t${tags[i]}\n`).join(''))
    .join('\n');
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('the examples', () => {
  it('train.ts trains and saves, and tag.ts tags with what was saved, line by line', async () => {
    const start = await task.createModel();
    await start.save(join(folder, 'start'));
    await start.dispose();
    const out = join(folder, 'trained');
    const { epoch, score } = await train({
      model: join(folder, 'start'),
      train: writeConll('train.conll', task.train),
      validation: writeConll('validation.conll', task.validation),
      out,
    });
    expect(epoch).toBeGreaterThanOrEqual(1);
    expect(score).toBeGreaterThan(0);

    async function* lines() {
      for (const { words } of task.test.slice(0, 3)) yield words.join(' ');
    }
    const found: Entity[][] = [];
    for await (const entities of tag(out, lines())) found.push(entities);
    expect(found).toHaveLength(3);
    for (const [i, entities] of found.entries()) {
      const text = task.test[i]!.words.join(' ');
      for (const entity of entities) expect(entity.text).toBe(text.slice(entity.start, entity.end));
    }
  });

  it('custom-schedule.ts lets one more layer learn with each epoch', async () => {
    await using model = await task.createModel();
    const { train: sentences, validation } = task;
    const run = gradualUnfreezing({ model, train: sentences, validation, optimizer: { learningRate: 5e-3 } });
    const learning: number[] = [];
    for await (const event of run) {
      if (event.type === 'freeze') learning.push(event.plan.layers.filter((isFrozen) => !isFrozen).length);
    }
    const { stages, epochs } = await run.result;
    expect(learning).toEqual([0, 1, 2]);
    expect(stages.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(epochs.at(-1)!.trainLoss).toBeLessThan(epochs[0]!.trainLoss);
  });
});
