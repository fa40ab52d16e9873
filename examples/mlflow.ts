// Fine-tunes a model and shows it in MLflow while it trains, over the REST API of a tracking server:
//
//   mlflow server --port 5000
//   node --import tsx examples/mlflow.ts http://127.0.0.1:5000 MODEL TRAIN VALIDATION
import { fileURLToPath } from 'node:url';
import { type FinetuneRun, finetune, labelSet, readSentences, TokenClassifier } from 'permafrost';
import { type Figures, figuresOf } from './figures.js';

/** Metrics of one request, as the server has it at most. */
const METRICS_A_REQUEST = 1000;

interface Metric {
  key: string;
  value: number;
  timestamp: number;
  step: number;
}

/** A run of a tracking server. */
export class MlflowRun {
  readonly #server: string;
  readonly id: string;
  #waiting: Metric[] = [];

  private constructor(server: string, id: string) {
    this.#server = server;
    this.id = id;
  }

  static async start(
    server: string,
    experiment: string,
    params: Record<string, unknown>,
  ): Promise<MlflowRun> {
    const { experiment_id } = await experimentOf(server, experiment);
    const { run } = await post<{ run: { info: { run_id: string } } }>(server, 'runs/create', {
      experiment_id,
      start_time: Date.now(),
    });
    const { run_id } = run.info;
    const entries = Object.entries(params).map(([key, value]) => ({ key, value: String(value) }));
    await post(server, 'runs/log-batch', { run_id, params: entries });
    return new MlflowRun(server, run_id);
  }

  /** Figures go out together: a request a step would take longer than the step. */
  async log({ step, values }: Figures): Promise<void> {
    for (const [key, value] of Object.entries(values))
      this.#waiting.push({ key, value, timestamp: Date.now(), step });
    if (this.#waiting.length >= METRICS_A_REQUEST) await this.flush();
  }

  async flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const metrics = this.#waiting.splice(0, METRICS_A_REQUEST);
      await post(this.#server, 'runs/log-batch', { run_id: this.id, metrics });
    }
  }

  async end(status: 'FINISHED' | 'FAILED'): Promise<void> {
    await this.flush();
    await post(this.#server, 'runs/update', { run_id: this.id, status, end_time: Date.now() });
  }
}

async function experimentOf(server: string, name: string): Promise<{ experiment_id: string }> {
  const query = new URLSearchParams({ experiment_name: name });
  const found = await fetch(`${server}/api/2.0/mlflow/experiments/get-by-name?${query}`);
  if (found.ok) return ((await found.json()) as { experiment: { experiment_id: string } }).experiment;
  return await post<{ experiment_id: string }>(server, 'experiments/create', { name });
}

async function post<Answer>(server: string, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${server}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`MLflow answered ${response.status} to ${path}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** Shows a training under way; it goes on by itself, however long the server takes. */
export async function trackInMlflow(run: FinetuneRun, tracker: MlflowRun): Promise<void> {
  try {
    for await (const event of run) {
      const figures = figuresOf(event);
      if (figures !== null) await tracker.log(figures);
      if (event.type === 'evaluation') await tracker.flush();
    }
  } catch (error) {
    await tracker.end('FAILED');
    throw error;
  }
  await tracker.end('FINISHED');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [server, from, train, validation] = process.argv.slice(2);
  if (!server || !from || !train || !validation)
    throw new Error('Usage: mlflow.ts SERVER MODEL TRAIN VALIDATION');
  const data = { train: await readSentences(train), validation: await readSentences(validation) };
  const model = await TokenClassifier.load(from, { labels: labelSet([...data.train, ...data.validation]) });
  const options = { freezing: 'bottom-up:6', epochs: 5, batchSize: 16 } as const;
  const tracker = await MlflowRun.start(server, 'permafrost', { model: from, ...options });
  await trackInMlflow(finetune({ model, ...data, ...options }), tracker);
  await model.dispose();
}
