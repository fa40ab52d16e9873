import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LAYER_PARTS } from '../contract/freeze-plan.js';
import type { EnergyUse } from '../energy/energy-use.js';
import { PermafrostError } from '../errors/error.js';
import { metricsSchema } from '../evaluation/metrics.js';
import { scenarioSchema } from './scenario.js';
import { sourcesSchema } from './workspace-options.js';

/** Version of the record's form that this program writes, and the newest that it reads. */
export const RUN_RECORD_VERSION = 1;

const count = z.int().nonnegative();
const seconds = z.number().nonnegative();

const splitFactsSchema = z.strictObject({
  sentences: count,
  words: count,
  /** SHA-256 of words and tags. */
  digest: z.string(),
});

const epochRecordSchema = z.strictObject({
  epoch: z.int().positive(),
  trainLoss: z.number(),
  trainSeconds: seconds,
  /** Trained on, special tokens included. */
  tokens: count.optional(),
  /** Of all evaluations within the epoch, and the metrics of the last one. */
  validationSeconds: seconds,
  validation: metricsSchema,
  /** Mean cross-entropy over the labelled tokens, dropout off; null where there are none. */
  validationLoss: z.number().nullable().optional(),
});

/** One evaluation of the validation data, within an epoch or at its end. */
const evaluationRecordSchema = z.strictObject({
  epoch: z.int().positive(),
  /** Optimizer steps done. */
  step: count,
  /** What the best weights have most of. */
  score: z.number(),
  loss: z.number().nullable(),
});

const environmentSchema = {
  /** `null` where a part does not tell its version. */
  versions: z.strictObject({
    permafrost: z.string(),
    node: z.string(),
    libtorch: z.string().nullable(),
    tokenizers: z.string().nullable(),
  }),
  hardware: z.strictObject({
    cpuModel: z.string(),
    cores: z.int().positive(),
    memoryBytes: z.int().positive(),
    platform: z.string(),
    /** Where the model was: `cpu`, `cuda:0`. */
    device: z.string(),
    /** What the driver calls the card; absent for `cpu`. */
    deviceName: z.string().optional(),
    /** What multiplied large matrices on a CPU, as the option `matmul` names it; absent on a card. */
    matmul: z.string().optional(),
  }),
};

const inputSchema = {
  data: z.strictObject({
    /** SHA-256 over the digests of the whole splits, of which the run may have had a portion. */
    digest: z.string(),
    train: splitFactsSchema,
    validation: splitFactsSchema,
    test: splitFactsSchema.nullable(),
    /** Test sets that have names. */
    tests: z.record(z.string(), splitFactsSchema).default({}),
  }),
  tokenizer: z.strictObject({ digest: z.string(), vocabSize: z.int().positive() }),
  /** Label of each id of the head, in order. */
  labels: z.array(z.string()),
};

const planSchema = z.strictObject({
  embeddings: z.boolean(),
  layers: z.array(z.boolean()),
  parts: z.array(z.array(z.enum(LAYER_PARTS))).optional(),
});

const freezingSchema = {
  /** The first one. */
  plan: planSchema,
  /**
   * The parts of the run between two changes of the plan: first epoch, optimizer steps done before and those by which it
   * was to be over, and the validation scores under it.
   */
  stages: z
    .array(
      z.strictObject({
        stage: z.int().positive(),
        epoch: z.int().positive(),
        step: count,
        untilStep: count.optional(),
        plan: planSchema,
        reason: z.string(),
        scores: z.array(z.number()).default([]),
      }),
    )
    .default([]),
  /** Of the last stage. */
  trainableParameters: count,
  totalParameters: count,
  /** Leading layers computed without gradients; -1 where the embeddings learn. */
  frozenPrefix: z.int().min(-1),
  /** Whether the frozen prefix had its dropout; what `auto` came to. */
  frozenDropout: z.enum(['on', 'off']),
  /** Use of the kept outputs of the frozen prefix; null where it was computed in every step. */
  prefixStore: z
    .strictObject({
      /** Number of layers whose output was kept. */
      depth: z.int().positive(),
      precision: z.enum(['fp32', 'bf16', 'fp16']),
      /** Of all runs that share the store: outputs, one an example and depth, and where they lie. */
      examples: count,
      memoryBytes: count,
      fileBytes: count,
      /** Of this run: sequences whose output was read, and those for which it was computed. */
      hits: count,
      misses: count,
      /** Of the hits, sequences whose output another run had computed: this one's seconds lack what that took. */
      borrowed: count.optional(),
    })
    .nullable(),
};

const outcomeSchema = {
  epochs: z.array(epochRecordSchema).min(1),
  evaluations: z.array(evaluationRecordSchema).default([]),
  bestEpoch: z.int().positive(),
  /** Optimizer steps done before the best evaluation. */
  bestStep: z.int().positive().optional(),
  /** Validation score of the best epoch. */
  bestScore: z.number(),
  stoppedEarly: z.boolean(),
  /** Whether it went on from a state that an earlier process left. */
  resumed: z.boolean().default(false),
  /** What a person should know of the data and of the best weights. */
  warnings: z.array(z.string()).default([]),
  /** Of the weights of the best epoch. */
  test: metricsSchema.nullable(),
  /** The same on each test set that has a name; the first of them is `test`. */
  tests: z.record(z.string(), metricsSchema).default({}),
  steps: count,
  /** Tokens trained on, special tokens included. */
  tokens: count,
  losses: z.strictObject({
    count,
    first: z.number(),
    last: z.number(),
    mean: z.number(),
    /** SHA-256 over every step's loss: equal digests mean the same training to the bit. */
    digest: z.string(),
  }),
};

const amount = z.number().nonnegative().nullable();
const byPart = z.strictObject({ cpu: amount, gpu: amount, ram: amount });

/** As energy/energy-use.ts describes it. */
const energySchema = z.strictObject({
  duration: seconds,
  energy_consumed: z.number().nonnegative(),
  cpu_energy: amount,
  gpu_energy: amount,
  ram_energy: amount,
  cpu_power: amount,
  gpu_power: amount,
  ram_power: amount,
  emissions: amount,
  emissions_rate: amount,
  carbonIntensity: amount,
  joules: z.number().nonnegative(),
  joulesPer1000Tokens: amount,
  idlePower: byPart,
  sources: z.array(z.string()),
}) satisfies z.ZodType<EnergyUse>;

const costSchema = {
  /** Seconds by phase; `model` is loading or creating the model, `total` is everything of the run. */
  seconds: z.strictObject({
    model: seconds,
    encode: seconds,
    train: seconds,
    validation: seconds,
    test: seconds,
    /** Writing weights and states. */
    save: seconds.default(0),
    total: seconds,
  }),
  /** Mean seconds of training steps an epoch, evaluation excluded. */
  secondsPerEpoch: seconds,
  /** Seconds of training and validation until training ended. */
  secondsToStop: seconds,
  /** Trained tokens a second of training steps. */
  tokensPerSecond: z.number().nonnegative(),
  /** What the model held at the end of training, in bytes. */
  memoryBytes: z.strictObject({ parameters: count, gradients: count, optimizer: count, workspace: count }),
  /** Energy of training and validation, in CodeCarbon's names; null where the machine has no counters. */
  energy: energySchema.nullable().default(null),
  /**
   * The processes that trained together, and by rank their hosts and devices; null where there was one. Tokens and losses
   * are those of all, energy is summed over their machines and cards; seconds and memory are those of the first.
   */
  ranks: z
    .strictObject({ number: z.int().positive(), hosts: z.array(z.string()), devices: z.array(z.string()) })
    .nullable()
    .default(null),
  /** Highest resident set size of the process so far, in bytes. Grows over a grid that runs in one process. */
  peakRssBytes: count,
};

/** What one training of one scenario with one seed leaves behind in `record.json`. */
export const runRecordSchema = z.strictObject({
  schemaVersion: z.literal(RUN_RECORD_VERSION),
  /** Name of the run's directory. */
  run: z.string(),
  scenarioId: z.string(),
  /** SHA-256 of `scenario`. */
  scenarioDigest: z.string(),
  scenario: scenarioSchema,
  seed: count,
  /** Where data and model were read from, as the options had it; absent where the run was not told by options. */
  sources: sourcesSchema.optional(),
  /** CPU threads of the engine. */
  threads: z.int().positive(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  ...environmentSchema,
  ...inputSchema,
  ...freezingSchema,
  ...outcomeSchema,
  ...costSchema,
});

/** What one training of one scenario with one seed leaves behind. */
export type RunRecord = z.infer<typeof runRecordSchema>;

/**
 * Checks a value that claims to be a run record.
 *
 * @param where file or other source, for the message.
 * @throws DATA_FORMAT naming the field, or the version where a newer program wrote it.
 */
export function parseRunRecord(value: unknown, where: string): RunRecord {
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === 'number' && version > RUN_RECORD_VERSION) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${where}: run record of version ${version}, expected at most ${RUN_RECORD_VERSION}. ` +
        'A newer permafrost wrote it: read it with that version or a later one.',
      { file: where, expected: RUN_RECORD_VERSION, got: version, newer: true },
    );
  }
  const result = runRecordSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') || 'record';
  throw new PermafrostError(
    'DATA_FORMAT',
    `${where}: not a run record of version ${RUN_RECORD_VERSION}: ${field}: ${issue?.message}. ` +
      'Delete the file and run the scenario again, or restore it from a copy.',
    { file: where, field },
  );
}

/**
 * Reads and checks a `record.json`.
 *
 * @throws FILE_NOT_FOUND, or DATA_FORMAT for anything that is not a whole record of a known version.
 */
export async function readRunRecord(file: string): Promise<RunRecord> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `${file}: the run record cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}).`,
      { file },
      { cause },
    );
  }
  return parseRunRecord(parseJson(text, file), file);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${file}: expected a JSON object, got ${text.length === 0 ? 'an empty file' : 'text that is not JSON'}. ` +
        'Delete the file and run the scenario again.',
      { file },
      { cause },
    );
  }
}
