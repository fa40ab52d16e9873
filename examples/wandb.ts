// Fine-tunes a model and shows it in Weights & Biases while it trains. What W&B speaks over the network is its own, so
// its Python package speaks: figures go to wandb-bridge.py as lines of JSON.
//
//   pip install wandb
//   node --import tsx examples/wandb.ts PROJECT MODEL TRAIN VALIDATION      (WANDB_MODE=offline needs no account)
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type FinetuneRun, finetune, labelSet, readSentences, TokenClassifier } from 'permafrost';
import { type Figures, figuresOf } from './figures.js';

const BRIDGE = fileURLToPath(new URL('wandb-bridge.py', import.meta.url));

/** A run of Weights & Biases, in a process of its own. */
export class WandbRun {
  readonly #bridge: ChildProcessByStdio<Writable, null, null>;
  readonly #ended: Promise<unknown[]>;

  constructor(project: string, config: object, python = 'python3') {
    this.#bridge = spawn(python, [BRIDGE], { stdio: ['pipe', 'inherit', 'inherit'] });
    this.#ended = once(this.#bridge, 'close');
    // Whoever sends or ends meets it there.
    this.#ended.catch(() => undefined);
    this.#bridge.stdin.on('error', () => undefined);
    this.#send({ project, config });
  }

  log({ step, values }: Figures): void {
    this.#send({ step, values });
  }

  /** @param exitCode 0 marks the run as finished, another as failed */
  async end(exitCode: number): Promise<void> {
    this.#send({ exitCode });
    this.#bridge.stdin.end();
    const [code] = await this.#ended;
    if (code !== 0) throw new Error(`wandb-bridge.py ended with ${code}: see what it wrote`);
  }

  #send(message: object): void {
    this.#bridge.stdin.write(`${JSON.stringify(message)}\n`);
  }
}

/** Shows a training under way; it goes on by itself, however long the other side takes. */
export async function trackInWandb(run: FinetuneRun, tracker: WandbRun): Promise<void> {
  try {
    for await (const event of run) {
      const figures = figuresOf(event);
      if (figures !== null) tracker.log(figures);
    }
  } catch (error) {
    await tracker.end(1);
    throw error;
  }
  await tracker.end(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [project, from, train, validation] = process.argv.slice(2);
  if (!project || !from || !train || !validation)
    throw new Error('Usage: wandb.ts PROJECT MODEL TRAIN VALIDATION');
  const data = { train: await readSentences(train), validation: await readSentences(validation) };
  const model = await TokenClassifier.load(from, { labels: labelSet([...data.train, ...data.validation]) });
  const options = { freezing: 'bottom-up:6', epochs: 5, batchSize: 16 } as const;
  const tracker = new WandbRun(project, { model: from, ...options });
  await trackInWandb(finetune({ model, ...data, ...options }), tracker);
  await model.dispose();
}
