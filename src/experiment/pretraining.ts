import { readFile } from 'node:fs/promises';
import { pick } from '../errors/option-shape.js';
import { digestOf, digestSentences } from '../io/digest.js';
import type { MaskedLanguageModel } from '../model/masked-language-model.js';
import { addon } from '../native/addon.js';
import { RunDirectory } from '../training/directory.js';
import { withRanks } from '../training/join.js';
import { type PretrainEvent, type PretrainResult, pretrain } from '../training/pretrain.js';
import type { Ranks } from '../training/ranks.js';
import { savingShape, type TrainingSettings } from '../training/settings.js';
import { describeEnvironment, type Environment } from './environment.js';
import {
  type PretrainingOptions,
  parsePretrainingOptions,
  pretrainingCourse,
} from './pretraining-options.js';
import { findPretrainingModel, type PretrainingModel, readPretrainingText } from './pretraining-source.js';
import { recordedRun } from './recorded-run.js';
import type { ModelDescription } from './scenario.js';
import { energyOptions } from './workspace-options.js';

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
  epochs: PretrainResult['epochs'];
  /** The parts of the run between two changes of the plan. */
  stages: PretrainResult['stages'];
  bestEpoch: number;
  /** Optimizer steps done before the best evaluation. */
  bestStep: number;
  bestLoss: number;
  bestPerplexity: number;
  /** Examples that the text was cut into, and hidden tokens of the validation text. */
  examples: { train: number; validation: number };
  validationTokens: number;
  steps: number;
  tokens: number;
  tokensPerSecond: number;
  losses: { first: number; last: number; digest: string };
  /** Seconds by phase, those before an interruption included. */
  seconds: PretrainResult['seconds'];
  /** In CodeCarbon's names; null where the machine has no counters. */
  energy: PretrainResult['energy'];
  /** The processes that trained together; null where there was one. */
  ranks: PretrainResult['ranks'];
  resumed: boolean;
  trainableParameters: number;
  totalParameters: number;
  peakRssBytes: number;
}

export interface RunPretrainingOptions {
  options: PretrainingOptions;
  /** Directory of record, best weights and state. */
  directory: string;
  /** Deletes what an earlier run left in `directory`. @default false */
  restart?: boolean;
  /** Trains on several processes together, of which rank 0 alone writes; see `pretrain`. @default 'off' */
  distributed?: TrainingSettings['distributed'];
  signal?: AbortSignal;
}

/**
 * Pretrains by files and options: yields the events of the training, returns its record, which is also written.
 *
 * Where the directory holds the state of the same pretraining, it goes on from there.
 *
 * @throws what reading the text, creating the model and training throw; LOCKED where another process writes to the
 *   directory, RUN_MISMATCH where it holds another training, WRITE_FAILED; `signal.reason` on abort.
 */
export async function* runPretraining({
  options: given,
  distributed,
  ...where
}: RunPretrainingOptions): AsyncGenerator<PretrainEvent, PretrainRecord> {
  const options = parsePretrainingOptions(given);
  const { device = 'auto' } = options;
  return yield* withRanks({ distributed, device, signal: where.signal }, (ranks) =>
    runAs(ranks, { options, ...where }),
  );
}

async function* runAs(
  ranks: Ranks,
  {
    options,
    directory: path,
    restart = false,
    signal,
  }: Omit<RunPretrainingOptions, 'options' | 'distributed'> & {
    options: ReturnType<typeof parsePretrainingOptions>;
  },
): AsyncGenerator<PretrainEvent, PretrainRecord> {
  const directory = await ranks.onFirst(() => RunDirectory.open(path));
  try {
    const text = await readPretrainingText(options);
    const source = await findPretrainingModel(options, text);
    const startedAt = new Date();
    const facts = { train: factsOf(text.train), validation: factsOf(text.validation) };
    return yield* recordedRun<MaskedLanguageModel, PretrainEvent, PretrainResult, PretrainRecord>({
      directory,
      ranks,
      identity: identityOf({ options, model: source.description, data: facts, tokenizer: source.tokenizer }),
      async readRecord(file) {
        const record = JSON.parse(await readFile(file, 'utf8')) as PretrainRecord;
        return { record, identity: identityOf(record) };
      },
      finished: ({ epochs, steps }) => ({
        type: 'resume',
        path,
        epoch: epochs.length,
        step: steps,
        finished: true,
      }),
      createModel: () => source.create(signal),
      start: (model, abort) =>
        pretrain({
          ...{ model, ...text, restart, signal: abort },
          ...(directory && { directory }),
          ...(ranks.group && { distributed: ranks.group }),
          ...pretrainingCourse(options),
          ...pick(savingShape, options),
          energy: energyOptions(options),
        }),
      compose: (model, result) => composeRecord(options, facts, source, startedAt, model.device, result),
      restart,
      signal,
    });
  } finally {
    await directory?.close();
  }
}

/** What a pretraining is one of: files count by what is in them, not by their names. */
function identityOf({
  options,
  model,
  data,
  tokenizer: { digest: tokenizer },
}: Pick<PretrainRecord, 'options' | 'model' | 'data'> & { tokenizer: { digest: string } }): object {
  const { stack, precision } = options;
  return { ...pretrainingCourse(options), stack, precision, model, data, tokenizer };
}

function composeRecord(
  options: PretrainingOptions,
  data: PretrainRecord['data'],
  source: PretrainingModel,
  startedAt: Date,
  device: string,
  result: PretrainResult,
): PretrainRecord {
  const { libtorch, availableCores, nvidiaDriver } = addon();
  const { losses, tokens, seconds } = result;
  return {
    schemaVersion: PRETRAIN_RECORD_VERSION,
    kind: 'pretraining',
    options,
    model: source.description,
    tokenizer: { digest: source.tokenizer.digest, vocabSize: source.tokenizer.vocabSize },
    data,
    ...describeEnvironment({ libtorch: libtorch.loadedVersion, cards: () => nvidiaDriver().cards, device }),
    threads: options.threads || availableCores,
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    epochs: result.epochs,
    stages: result.stages,
    bestEpoch: result.bestEpoch,
    bestStep: result.bestStep,
    bestLoss: result.bestLoss,
    bestPerplexity: Math.exp(result.bestLoss),
    examples: result.examples,
    validationTokens: result.validationTokens,
    steps: result.steps,
    tokens,
    tokensPerSecond: seconds.train === 0 ? 0 : tokens / seconds.train,
    losses: { first: losses[0]!, last: losses.at(-1)!, digest: digestOf(losses) },
    seconds,
    energy: result.energy,
    ranks: result.ranks,
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
