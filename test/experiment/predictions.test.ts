import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeMetrics, type Metrics, readPredictions } from '../../src/entries/metrics.js';
import { type RunScenarioOptions, runScenario } from '../../src/experiment/run.js';
import { runGrid } from '../../src/experiment/run-grid.js';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { openWorkspace, type Workspace } from '../../src/experiment/workspace.js';

let folder: string;
let workspace: Workspace;
const file = () => join(folder, 'small.conll');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  const names = ['Aya', 'Bo', 'Cem', 'Dana', 'Eli', 'Fay'];
  // Some sentences are cut: the words behind the ninth are predicted O.
  const sentences = Array.from({ length: 90 }, (_, i) => {
    const tail = i % 7 === 0 ? 'and O\nthen O\nto O\nthe O\nfine O\ncity O\nof O\nOslo B-LOC\n' : '';
    return `${names[i % 6]} B-PER\n${names[(i * 5) % 6]} ${i % 2 ? 'I-PER' : 'O'}\nsings O\nin O\nBergen B-LOC\n${tail}`;
  });
  await writeFile(file(), sentences.join('\n'));
  workspace = await openWorkspace({
    data: file(),
    shape: 'layers=2,hidden=32,heads=2',
    learningRate: 3e-3,
    epochs: 4,
    batchSize: 8,
    maxLength: 12,
    threads: 1,
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(options: Partial<RunScenarioOptions>): Promise<RunRecord> {
  const scenario = scenarioOf(workspace.settings, 'bottom-up:1');
  const events = runScenario({ workspace, scenario, seed: 3, ...options });
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
  }
}

/** The record's metrics, from nothing but the file. */
async function metricsOf(directory: string, split: string, { counts }: Metrics): Promise<Metrics> {
  const predictions = await readPredictions(join(directory, 'predictions', `${split}.jsonl`));
  return computeMetrics(
    predictions.map(({ gold }) => gold),
    predictions.map(({ predicted }) => predicted),
    counts,
  );
}

function bestOf({ epochs, bestEpoch }: RunRecord): Metrics {
  return epochs.find(({ epoch }) => epoch === bestEpoch)!.validation;
}

async function expectTrue(directory: string, record: RunRecord): Promise<void> {
  expect(await readdir(join(directory, 'predictions'))).toEqual(['test.jsonl', 'validation.jsonl']);
  expect(await metricsOf(directory, 'validation', bestOf(record))).toEqual(bestOf(record));
  expect(await metricsOf(directory, 'test', record.test!)).toEqual(record.test);
}

describe('the predictions of a run', () => {
  it('give the metrics of the record to the digit, and name file and line of every sentence', async () => {
    const directory = join(folder, 'run');
    const record = await run({ directory });
    expect(bestOf(record).entities.micro.f1).toBeGreaterThan(0);
    expect(bestOf(record).counts.truncatedWords + record.test!.counts.truncatedWords).toBeGreaterThan(0);
    await expectTrue(directory, record);
    const lines = (await readFile(file(), 'utf8')).split('\n');
    const predictions = await readPredictions(join(directory, 'predictions', 'validation.jsonl'));
    expect(predictions).toHaveLength(workspace.splits.validation.length);
    for (const { source, words, gold } of predictions) {
      const [, path, line] = /^(.*):(\d+)$/.exec(source)!;
      expect(path).toBe(file());
      const rows = words.map((_, word) => lines[Number(line) - 1 + word]!.split(' '));
      expect(rows).toEqual(words.map((word, at) => [word, gold[at]]));
    }
  });

  it('are those of the best weights where a later evaluation is worse, and of a run that was stopped', async () => {
    const settings = structuredClone(workspace.settings);
    Object.assign(settings.training, { earlyStopping: false, epochs: 6 });
    const scenario = scenarioOf(settings, 'full');
    const straight = await run({ directory: join(folder, 'straight'), scenario });
    expect(straight.bestEpoch).toBeLessThan(straight.epochs.length);
    await expectTrue(join(folder, 'straight'), straight);

    const directory = join(folder, 'stopped');
    for (const stopAt of ['checkpoint', 'evaluation'] as const) {
      const controller = new AbortController();
      const events = runScenario({ workspace, scenario, seed: 3, directory, signal: controller.signal });
      const stopped = (async () => {
        for await (const event of events) if (event.type === stopAt) controller.abort(new Error('enough'));
      })();
      await expect(stopped).rejects.toThrow('enough');
    }
    await expectTrue(directory, await run({ directory, scenario }));
    for (const split of ['validation.jsonl', 'test.jsonl']) {
      const [one, other] = ['straight', 'stopped'].map((name) =>
        readFile(join(folder, name, 'predictions', split), 'utf8'),
      );
      expect(await other).toBe(await one);
    }
    // Nothing to do: they stay, as the record does.
    const path = join(directory, 'predictions', 'test.jsonl');
    const { mtimeMs } = await stat(path);
    await run({ directory, scenario });
    expect((await stat(path)).mtimeMs).toBe(mtimeMs);
  });

  it('stay where a grid deletes the weights, and name sentences that were generated', async () => {
    const generated = await openWorkspace({
      preset: 'demo',
      shape: 'layers=2,hidden=16,heads=2',
      maxSteps: 3,
    });
    const directory = join(folder, 'grid');
    const strategies = ['full', 'bottom-up:1'];
    const options = { workspace: generated, strategies, seeds: [1], directory, runScenario };
    for await (const _ of runGrid(options));
    const runs = (await readdir(directory)).filter((name) => name.endsWith('-seed-1'));
    expect(runs).toHaveLength(2);
    for (const name of runs) {
      expect((await readdir(join(directory, name))).sort()).toEqual([
        'metrics.jsonl',
        'predictions',
        'record.json',
        'tensorboard',
      ]);
      const [first] = await readPredictions(join(directory, name, 'predictions', 'test.jsonl'));
      expect(first!.source).toBe('demo/test:1');
      expect(first!.words).toEqual(generated.splits.test![0]!.words);
    }
    // Where they are wanted they stay, also in a grid that is finished and tabulated again.
    const kept = join(folder, 'kept');
    for (const saveModels of [true, false])
      for await (const _ of runGrid({ ...options, strategies: ['full'], directory: kept, saveModels }));
    const [run] = (await readdir(kept)).filter((name) => name.endsWith('-seed-1'));
    expect(await readdir(join(kept, run!, 'best'))).toContain('model.safetensors');
  });
});
