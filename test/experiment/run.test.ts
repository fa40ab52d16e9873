import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunScenarioOptions, runScenario } from '../../src/experiment/run.js';
import { runGrid } from '../../src/experiment/run-grid.js';
import { parseRunRecord, type RunRecord } from '../../src/experiment/run-record.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { openWorkspace, type Workspace } from '../../src/experiment/workspace.js';
import type { TrainingEvent } from '../../src/training/finetune.js';

let folder: string;
let workspace: Workspace;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  const data = join(folder, 'tiny.conll');
  const sentences = Array.from(
    { length: 60 },
    (_, index) => `Aya${index} B-PER\nsings O\nin O\nOslo B-LOC\n`,
  );
  await writeFile(data, sentences.join('\n'));
  workspace = await openWorkspace({
    data,
    shape: 'layers=2,hidden=16,heads=2',
    epochs: 2,
    batchSize: 8,
    threads: 1,
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function runToEnd(options: Partial<RunScenarioOptions> = {}, strategy = 'bottom-up:1') {
  const scenario = scenarioOf(workspace.settings, strategy);
  const events: TrainingEvent[] = [];
  const run = runScenario({ workspace, scenario, seed: 42, ...options });
  let next = await run.next();
  for (; !next.done; next = await run.next()) events.push(next.value);
  return { events, record: next.value };
}

/** A workspace whose models tell when they are disposed of. */
function watched(): { workspace: Workspace; disposed: () => number } {
  let count = 0;
  const createModel: Workspace['createModel'] = async (seed, signal) => {
    const model = await workspace.createModel(seed, signal);
    const dispose = model.dispose.bind(model);
    model.dispose = () => {
      count++;
      return dispose();
    };
    return model;
  };
  return { workspace: { ...workspace, createModel }, disposed: () => count };
}

describe('a run of one scenario', () => {
  it('ends in a record that is valid and says what was frozen', async () => {
    const { events, record } = await runToEnd();
    expect(parseRunRecord(JSON.parse(JSON.stringify(record)), 'record')).toEqual(record);
    expect(record).toMatchObject({ frozenPrefix: 1, threads: 1, steps: 12, seed: 42 });
    expect(record.plan).toEqual({ embeddings: true, layers: [true, false] });
    expect(record.trainableParameters).toBeLessThan(record.totalParameters);
    expect(record.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(record.test?.counts.sentences).toBe(6);
    expect(events.filter(({ type }) => type === 'step')).toHaveLength(12);
  });

  it('lists the stages of a schedule, each with its plan, first step, reason and scores', async () => {
    const { events, record } = await runToEnd({}, 'gradual:1/1');
    expect(parseRunRecord(JSON.parse(JSON.stringify(record)), 'record')).toEqual(record);
    expect(record.scenario.strategy).toBe('gradual:1/1');
    const scores = events.flatMap((event) =>
      event.type === 'evaluation' && event.split === 'validation' ? [event.metrics.macro.f1] : [],
    );
    expect(record.stages).toEqual([
      {
        ...{ stage: 1, epoch: 1, step: 0, untilStep: 6, reason: 'gradual:1/1', scores: scores.slice(0, 1) },
        plan: { embeddings: true, layers: [true, false] },
      },
      {
        ...{ stage: 2, epoch: 2, step: 6, untilStep: 12, reason: 'after epoch 1 all layers learn' },
        ...{ scores: scores.slice(1), plan: { embeddings: true, layers: [false, false] } },
      },
    ]);
    expect(record.plan).toEqual(record.stages[0]!.plan);
    expect(record.frozenPrefix).toBe(0);
  });

  it('gives the same bits for the same seed, and others for another', async () => {
    const bits = ({ losses, epochs, test }: RunRecord) => ({
      losses,
      test,
      scores: epochs.map((one) => one.validation),
    });
    const [first, again, other] = [await runToEnd(), await runToEnd(), await runToEnd({ seed: 43 })];
    expect(bits(again.record)).toEqual(bits(first.record));
    expect(other.record.losses.digest).not.toBe(first.record.losses.digest);
  });

  it('starts all scenarios of a seed from the same weights', async () => {
    const firstLoss = async (strategy: string) => (await runToEnd({}, strategy)).record.losses.first;
    expect(await firstLoss('top-down:2')).toBe(await firstLoss('full'));
  });

  it('saves the model where it is asked to', async () => {
    const directory = join(folder, 'kept');
    const { record } = await runToEnd({ directory });
    expect(await readdir(join(directory, 'best'))).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors']),
    );
    expect(JSON.parse(await readFile(join(directory, 'record.json'), 'utf8'))).toEqual(record);
  });

  it('disposes of its model at the end, on abort, and where the listener leaves', async () => {
    const { workspace: own, disposed } = watched();
    await runToEnd({ workspace: own });
    expect(disposed()).toBe(1);
    const reason = new Error('enough');
    await expect(runToEnd({ workspace: own, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const scenario = scenarioOf(workspace.settings, 'full');
    for await (const event of runScenario({ workspace: own, scenario, seed: 1 }))
      if (event.type === 'step') break;
    expect(disposed()).toBe(3);
  });
});

describe('a grid whose runs share the outputs of frozen layers', () => {
  const strategies = ['full', 'bottom-up:1', 'bottom-up:2'];

  async function records(options: Partial<Workspace>, name: string): Promise<Map<string, RunRecord>> {
    const grid = runGrid({
      workspace: { ...workspace, ...options },
      strategies,
      seeds: [1],
      directory: join(folder, name),
      runScenario,
    });
    for (;;) {
      const next = await grid.next();
      if (next.done) return new Map(next.value.map((record) => [record.scenario.strategy, record]));
    }
  }

  it('computes them in the first run alone and changes no bit', async () => {
    const settings = structuredClone(workspace.settings);
    settings.training.frozenDropout = 'auto';
    const kept = await records({ settings }, 'kept');
    settings.training.frozenDropout = 'off';
    const computed = await records({ settings, prefix: false }, 'computed');
    for (const strategy of ['bottom-up:1', 'bottom-up:2']) {
      expect(kept.get(strategy)!.losses).toEqual(computed.get(strategy)!.losses);
      expect(kept.get(strategy)!.test).toEqual(computed.get(strategy)!.test);
      expect(kept.get(strategy)!.frozenDropout).toBe('off');
      expect(computed.get(strategy)!.prefixStore).toBeNull();
    }
    // Every sentence of the three splits once, at both depths in one pass.
    expect(kept.get('bottom-up:2')!.prefixStore).toMatchObject({ depth: 2, misses: 60, examples: 120 });
    expect(kept.get('bottom-up:1')!.prefixStore).toMatchObject({ depth: 1, misses: 0 });
    expect(kept.get('full')!).toMatchObject({ prefixStore: null, frozenDropout: 'on' });
  });

  it('holds less memory the more is frozen', async () => {
    const kept = await records({}, 'memory');
    const bytes = (strategy: string) => {
      const { gradients, optimizer } = kept.get(strategy)!.memoryBytes;
      return gradients + optimizer;
    };
    expect(bytes('bottom-up:1')).toBeLessThan(bytes('full'));
    expect(bytes('bottom-up:2')).toBeLessThan(bytes('bottom-up:1'));
  });
});
