import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { gradualUnfreezing } from '../../examples/custom-schedule.js';
import { MlflowRun, trackInMlflow } from '../../examples/mlflow.js';
import { main as tag } from '../../examples/tag.js';
import { main as train } from '../../examples/train.js';
import { trackInWandb, WandbRun } from '../../examples/wandb.js';
import { type Entity, type FinetuneResult, finetune, type Sentence } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { serve } from '../helpers/http-server.js';

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

  /** Trains two epochs of 15 steps, with what shows it. */
  async function shown(show: (run: ReturnType<typeof finetune>) => Promise<void>): Promise<FinetuneResult> {
    await using model = await task.createModel();
    const { train, validation, test } = task;
    const data = { train, validation, test, batchSize: 8, epochs: 2, earlyStopping: false as const };
    const run = finetune({ model, ...data });
    await show(run);
    return run.result;
  }

  it('mlflow.ts sends a tracking server every step and score', async () => {
    const told: Record<string, Record<string, unknown>[]> = {};
    const { url, requests } = await serve(async (request, response) => {
      const path = request.url!.replace('/api/2.0/mlflow/', '').replace(/\?.*/, '');
      const body = request.method === 'POST' ? JSON.parse(await text(request)) : {};
      told[path] = [...(told[path] ?? []), body];
      const isUnknown = path === 'experiments/get-by-name';
      const answers = {
        'experiments/create': { experiment_id: '7' },
        'runs/create': { run: { info: { run_id: 'r' } } },
      };
      response.writeHead(isUnknown ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answers[path as keyof typeof answers] ?? {}));
    });
    const tracker = await MlflowRun.start(url, 'test', { freezing: 'full' });
    const result = await shown((run) => trackInMlflow(run, tracker));
    expect(requests[0]).toContain('experiment_name=test');
    expect(told['runs/create']).toMatchObject([{ experiment_id: '7' }]);
    const [first, ...batches] = told['runs/log-batch']! as { params: object; metrics: object[] }[];
    expect(first!.params).toEqual([{ key: 'freezing', value: 'full' }]);
    const metrics = batches.flatMap((batch) => batch.metrics) as {
      key: string;
      value: number;
      step: number;
    }[];
    const of = (key: string) => metrics.filter((metric) => metric.key === key);
    expect(of('train/loss').map(({ value }) => value)).toEqual(result.losses);
    expect(of('validation/macro_f1')).toMatchObject(
      result.evaluations.map(({ step, metrics }) => ({ step, value: metrics.macro.f1 })),
    );
    expect(of('test/entities_micro_f1')).toMatchObject([
      { step: result.bestStep, value: result.test!.entities.micro.f1 },
    ]);
    // Not a request a step.
    expect(requests.length).toBeLessThan(10);
    expect(told['runs/update']).toMatchObject([{ run_id: 'r', status: 'FINISHED' }]);
  });

  it.skipIf(spawnSync('python3', ['--version']).status !== 0)(
    'wandb.ts tells the package of Weights & Biases every step and score',
    async () => {
      // Stands in for the package, and keeps what it is told.
      const calls = join(folder, 'calls.jsonl');
      const stub = `
import json
def note(*what):
    with open(${JSON.stringify(calls)}, "a") as file: file.write(json.dumps(what) + "\\n")
class Run:
    def __getattr__(self, name): return lambda *args, **options: note(name, args, options)
def init(**options): note("init", [], options); return Run()
`;
      writeFileSync(join(folder, 'wandb.py'), stub);
      process.env.PYTHONPATH = folder;
      const tracker = new WandbRun('names', { freezing: 'full' });
      const result = await shown((run) => trackInWandb(run, tracker));
      delete process.env.PYTHONPATH;
      const told = readFileSync(calls, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(told[0]).toEqual(['init', [], { project: 'names', config: { freezing: 'full' } }]);
      expect(told.at(-1)).toEqual(['finish', [], { exit_code: 0 }]);
      const logged = told.filter(([name]) => name === 'log').map(([, [values]]) => values);
      const of = (key: string) => logged.filter((values) => key in values).map((values) => values[key]);
      expect(of('train/loss')).toEqual(result.losses);
      expect(of('validation/macro_f1')).toEqual(result.evaluations.map(({ metrics }) => metrics.macro.f1));
      expect(logged.find((values) => 'test/macro_f1' in values)).toMatchObject({ step: result.bestStep });
    },
  );
});
