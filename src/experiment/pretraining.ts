import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-write.js';
import { digestOf, digestSentences } from '../io/digest.js';
import { addon } from '../native/addon.js';
import { type PretrainRun, pretrain } from '../training/pretrain.js';
import type { PretrainEpoch, PretrainEvent, PretrainResult } from '../training/pretrain-events.js';
import { describeEnvironment, type Environment } from './environment.js';
import { lockDirectory } from './lock.js';
import { type PretrainingOptions, parsePretrainingOptions } from './pretraining-options.js';
import {
  findPretrainingModel,
  type PretrainingModel,
  type PretrainingText,
  readPretrainingText,
} from './pretraining-source.js';
import type { ModelDescription } from './scenario.js';

/** Version of the record's form. */
export const PRETRAIN_RECORD_VERSION = 1;

interface TextFacts {
  /** Sentences, lines or paragraphs. */
  rows: number;
  words: number;
  /** SHA-256 of the words. */
  digest: string;
}

/** What a pretraining leaves behind in `record.json`. */
export interface PretrainRecord extends Environment {
  schemaVersion: number;
  kind: 'pretraining';
  /** What was asked for; the rest are the defaults of `pretrain`. */
  options: PretrainingOptions;
  model: ModelDescription;
  tokenizer: { digest: string; vocabSize: number };
  data: { train: TextFacts; validation: TextFacts };
  threads: number;
  startedAt: string;
  finishedAt: string;
  epochs: PretrainEpoch[];
  bestEpoch: number;
  bestLoss: number;
  bestPerplexity: number;
  /** Examples that the text was cut into, and hidden tokens of the validation text. */
  examples: { train: number; validation: number };
  validationTokens: number;
  steps: number;
  tokens: number;
  tokensPerSecond: number;
  losses: { first: number; last: number; digest: string };
  /** Seconds of steps and of validation, those before an interruption included. */
  seconds: { train: number; validation: number };
  resumed: boolean;
  trainableParameters: number;
  totalParameters: number;
  peakRssBytes: number;
}

export interface RunPretrainingOptions {
  options: PretrainingOptions;
  /** Directory of record, best weights and state. */
  directory: string;
  signal?: AbortSignal;
}

/**
 * Pretrains by files and options: yields the events of the training, returns its record, which is also written.
 *
 * Where the directory holds the state of the same pretraining, it goes on from there.
 *
 * @throws what reading the text, creating the model and training throw; INVALID_OPTION where another process writes
 *   to the directory; `signal.reason` on abort.
 */
export async function* runPretraining({
  options: given,
  directory,
  signal,
}: RunPretrainingOptions): AsyncGenerator<PretrainEvent, PretrainRecord> {
  const options = parsePretrainingOptions(given);
  const text = await readPretrainingText(options);
  const source = await findPretrainingModel(options, text);
  const startedAt = new Date();
  const lock = await lockDirectory(directory);
  // The training would go on without a listener; this ends it where the consumer stops early.
  const left = new AbortController();
  let run: PretrainRun | null = null;
  try {
    await using model = await source.create(signal);
    try {
      run = pretrain({
        model,
        ...text,
        ...loopOptions(options),
        directory,
        signal: AbortSignal.any(signal ? [signal, left.signal] : [left.signal]),
      });
      for await (const event of run) yield event;
      const record = composeRecord(options, text, source, startedAt, await run.result);
      await writeFileAtomic(join(directory, 'record.json'), `${JSON.stringify(record, null, 2)}\n`);
      return record;
    } finally {
      left.abort();
      await run?.result.catch(() => undefined);
    }
  } finally {
    await lock.release();
  }
}

function loopOptions(options: PretrainingOptions) {
  const { learningRate, warmupRatio, freeze, seed } = options;
  const names = [
    'epochs',
    'batchTokens',
    'gradientAccumulation',
    'maxLength',
    'maskRate',
    'wholeWord',
    'saveSteps',
  ] as const;
  return {
    ...Object.fromEntries(
      names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
    ),
    ...(freeze !== undefined && { freezing: freeze }),
    ...(seed !== undefined && { seed }),
    optimizer: {
      ...(learningRate !== undefined && { learningRate }),
      ...(warmupRatio !== undefined && { warmupRatio }),
    },
  };
}

function composeRecord(
  options: PretrainingOptions,
  text: PretrainingText,
  source: PretrainingModel,
  startedAt: Date,
  result: PretrainResult,
): PretrainRecord {
  const { libtorch, availableCores } = addon();
  const { losses, tokens, seconds } = result;
  return {
    schemaVersion: PRETRAIN_RECORD_VERSION,
    kind: 'pretraining',
    options,
    model: source.description,
    tokenizer: { digest: source.tokenizer.digest, vocabSize: source.tokenizer.vocabSize },
    data: { train: factsOf(text.train), validation: factsOf(text.validation) },
    ...describeEnvironment({ libtorch: libtorch.loadedVersion, device: options.device ?? 'cpu' }),
    threads: options.threads ?? availableCores,
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    epochs: result.epochs,
    bestEpoch: result.bestEpoch,
    bestLoss: result.bestLoss,
    bestPerplexity: Math.exp(result.bestLoss),
    examples: result.examples,
    validationTokens: result.validationTokens,
    steps: result.steps,
    tokens,
    tokensPerSecond: seconds.train === 0 ? 0 : tokens / seconds.train,
    losses: { first: losses[0]!, last: losses.at(-1)!, digest: digestOf(losses) },
    seconds,
    resumed: result.resumed,
    trainableParameters: result.trainableParameters,
    totalParameters: result.totalParameters,
    peakRssBytes: result.peakRssBytes,
  };
}

function factsOf(rows: string[][]): TextFacts {
  return {
    rows: rows.length,
    words: rows.reduce((sum, row) => sum + row.length, 0),
    digest: digestSentences(rows.map((words) => ({ words, tags: [] }))),
  };
}
