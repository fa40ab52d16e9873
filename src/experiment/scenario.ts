import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { pick } from '../errors/option-shape.js';
import { digestOf } from '../io/digest.js';
import { trainingSettingsSchema } from './training-settings.js';

const count = z.int().nonnegative();
const splitSizesSchema = z.strictObject({ train: count, validation: count, test: count });

/** What any data may have been given beside their source. */
const datasetShape = {
  name: z.string().min(1),
  /** Files of test sets that have names, by name; the first one is the test split. */
  tests: z.record(z.string(), z.string()).optional(),
  /** Entity types that became others, or `O`. */
  map: z.record(z.string(), z.string()).optional(),
};

/** Where the sentences come from. Files go by their names without folders, so that moving them changes nothing. */
export const datasetDescriptionSchema = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('generated'),
    ...datasetShape,
    seed: count,
    sizes: splitSizesSchema,
  }),
  z.strictObject({
    source: z.literal('files'),
    ...datasetShape,
    train: z.string(),
    validation: z.string(),
    test: z.string().nullable(),
  }),
  z.strictObject({
    source: z.literal('hub'),
    ...datasetShape,
    /** `owner/name`. */
    repo: z.string().min(1),
    config: z.string(),
    commit: z.string(),
  }),
  z.strictObject({
    source: z.literal('split'),
    ...datasetShape,
    file: z.string(),
    /** Per cent of train, validation and test. */
    split: z.tuple([z.number(), z.number(), z.number()]),
    seed: count,
  }),
]);

export type DatasetDescription = z.infer<typeof datasetDescriptionSchema>;

/** Shape of a BERT encoder with random weights. */
export const modelShapeSchema = z.strictObject({
  numLayers: z.int().positive(),
  hiddenSize: z.int().positive(),
  numHeads: z.int().positive(),
  intermediateSize: z.int().positive(),
  maxPositions: z.int().positive(),
  dropout: z.number().min(0).lt(1),
});

export type ModelShape = z.infer<typeof modelShapeSchema>;

/** The weights a run starts from: a checkpoint, or fresh ones drawn from the run's seed. */
export const modelDescriptionSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('checkpoint'),
    name: z.string().min(1),
    /** SHA-256 over the configuration and weight files. */
    digest: z.string().min(1),
    numLayers: z.int().positive(),
  }),
  z.strictObject({ kind: z.literal('fresh'), name: z.string().min(1), shape: modelShapeSchema }),
]);

export type ModelDescription = z.infer<typeof modelDescriptionSchema>;

/** What a scenario takes of the data and the steps; without any of it, all. */
export const portionShape = {
  /** Training sentences: the first of an order that all scenarios share, so that fewer are among more. */
  trainSize: z.int().positive().optional(),
  /** Cross-validation: which part of how many, of training and validation data together, is measured on. */
  fold: z.strictObject({ index: z.int().positive(), of: z.int().min(2) }).optional(),
  /** Optimizer steps, for which the rate's schedule is laid out. */
  maxSteps: z.int().positive().optional(),
};

const portionSchema = z.strictObject(portionShape);

/** What a scenario takes of the data and the steps; without any of it, all. */
export type Portion = z.infer<typeof portionSchema>;

/** Everything that decides the result of a run except its seed. */
export const scenarioSchema = z.strictObject({
  /** Notation of the freezing strategy or schedule, such as `bottom-up:6`. */
  strategy: z.string().min(1),
  ...portionShape,
  dataset: datasetDescriptionSchema,
  model: modelDescriptionSchema,
  training: trainingSettingsSchema,
});

/** Everything that decides the result of a run except its seed. */
export type Scenario = z.infer<typeof scenarioSchema>;

/** What all scenarios of a grid share; strategy and portion are what they differ in. */
export type ScenarioSettings = Omit<Scenario, 'strategy' | keyof Portion>;

/** The scenario of a strategy, and of a portion of data and steps, under settings that a grid shares. */
export function scenarioOf(
  { dataset, model, training }: ScenarioSettings,
  strategy: string,
  portion: Portion = {},
): Scenario {
  return { strategy, ...pick(portionShape, portion), dataset, model, training };
}

/** What a scenario takes of the data and the steps. */
export function portionOf(scenario: Scenario): Portion {
  return pick(portionShape, scenario);
}

/** The portion for people, such as `50 sentences, fold 2 of 5`; empty where it is the whole. */
export function portionText({ trainSize, fold, maxSteps }: Portion): string {
  return [
    ...(trainSize === undefined ? [] : [`${trainSize} sentences`]),
    ...(fold === undefined ? [] : [`fold ${fold.index} of ${fold.of}`]),
    ...(maxSteps === undefined ? [] : [`${maxSteps} steps`]),
  ].join(', ');
}

/**
 * Checks a scenario that came from outside.
 *
 * @throws INVALID_OPTION naming the first wrong field.
 */
export function parseScenario(value: unknown): Scenario {
  const result = scenarioSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join('.') || 'scenario';
  throw new PermafrostError('INVALID_OPTION', `Scenario: ${path}: ${issue?.message}.`, { option: path });
}

/** SHA-256 (hex) of all that a scenario says. */
export function scenarioDigest(scenario: Scenario): string {
  return digestOf(scenario);
}

/** SHA-256 (hex) of what scenarios share; equal for all that may stand in one grid. */
export function settingsDigest({ dataset, model, training }: ScenarioSettings): string {
  return digestOf({ dataset, model, training });
}

/** Name of a scenario that is stable, readable and safe in file names: `bottom-up-6-1f9c2ab4`. */
export function scenarioId(scenario: Scenario): string {
  const readable = scenario.strategy
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 48);
  return `${readable}-${scenarioDigest(scenario).slice(0, 8)}`;
}

/** Name of a run's directory: the scenario's id and the seed. */
export function runId(scenario: Scenario, seed: number): string {
  return `${scenarioId(scenario)}-seed-${seed}`;
}
