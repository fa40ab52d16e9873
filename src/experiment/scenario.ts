import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { digestOf } from '../io/digest.js';
import { trainingSettingsSchema } from './training-settings.js';

const count = z.int().nonnegative();
const splitSizesSchema = z.strictObject({ train: count, validation: count, test: count });

/** Where the sentences come from. Files go by their names without folders, so that moving them changes nothing. */
export const datasetDescriptionSchema = z.discriminatedUnion('source', [
  z.strictObject({
    source: z.literal('generated'),
    name: z.string().min(1),
    seed: count,
    sizes: splitSizesSchema,
  }),
  z.strictObject({
    source: z.literal('files'),
    name: z.string().min(1),
    train: z.string(),
    validation: z.string(),
    test: z.string().nullable(),
  }),
  z.strictObject({
    source: z.literal('hub'),
    name: z.string().min(1),
    /** `owner/name`. */
    repo: z.string().min(1),
    config: z.string(),
    commit: z.string(),
  }),
  z.strictObject({
    source: z.literal('split'),
    name: z.string().min(1),
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

/** Everything that decides the result of a run except its seed. */
export const scenarioSchema = z.strictObject({
  /** Notation of the freezing strategy or schedule, such as `bottom-up:6`. */
  strategy: z.string().min(1),
  dataset: datasetDescriptionSchema,
  model: modelDescriptionSchema,
  training: trainingSettingsSchema,
});

/** Everything that decides the result of a run except its seed. */
export type Scenario = z.infer<typeof scenarioSchema>;

/** A scenario less its strategy: what all rows of one table share. */
export type ScenarioSettings = Omit<Scenario, 'strategy'>;

/** The scenario of a strategy under settings that a table shares. */
export function scenarioOf({ dataset, model, training }: ScenarioSettings, strategy: string): Scenario {
  return { strategy, dataset, model, training };
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

/** SHA-256 (hex) of a scenario without its strategy; equal for all scenarios that may stand in one table. */
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
