import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  finetune,
  labelSet,
  PermafrostError,
  readConll,
  type Sentence,
  TokenClassifier,
  type TrainingEvent,
} from 'permafrost';
import { modelCard } from 'permafrost/experiment';
import type { JobWork } from './job.js';

/** What `POST /jobs` takes; texts are CoNLL columns. */
export interface TrainRequest {
  train: string;
  validation: string;
  test?: string;
  /** Freezing strategy. @default 'full' */
  freezing?: string;
  epochs?: number;
  batchSize?: number;
  learningRate?: number;
  seed?: number;
}

export interface TrainSettings {
  /** Model directory that training starts from. */
  baseModel: string;
  threads: number;
}

/** Fine-tunes the base model on the uploaded sentences and saves it with its card. */
export function trainJob(request: TrainRequest, settings: TrainSettings, directory: string): JobWork {
  return async (report, signal) => {
    const { train, validation, test } = await readUploads(request);
    const labels = labelSet([...train, ...validation, ...(test ?? [])]);
    const { baseModel, threads } = settings;
    const model = await TokenClassifier.load(baseModel, { labels, threads, signal });
    try {
      const { freezing = 'full', epochs, batchSize, learningRate, seed } = request;
      const run = finetune({
        model,
        train,
        validation,
        ...(test && { test }),
        freezing,
        ...(epochs !== undefined && { epochs }),
        ...(batchSize !== undefined && { batchSize }),
        ...(learningRate !== undefined && { optimizer: { learningRate } }),
        ...(seed !== undefined && { seed }),
        signal,
      });
      for await (const event of run) for (const [type, data] of progressOf(event)) report(type, data);
      const result = await run.result;
      const best = result.epochs.find(({ epoch }) => epoch === result.bestEpoch)!;
      const metrics = result.test ?? best.validation;
      const split = result.test ? ('test' as const) : ('validation' as const);
      await mkdir(directory, { recursive: true });
      await model.save(directory);
      const sentences = { train: train.length, validation: validation.length, test: test?.length ?? null };
      const card = modelCard({
        name: 'permafrost-service-model',
        labels,
        strategy: freezing,
        dataset: { name: 'uploaded sentences', sentences },
        evaluation: { split, metrics },
        baseModel: null,
        training: [['epochs', `${result.epochs.length}, best ${result.bestEpoch}`]],
      });
      await writeFile(join(directory, 'README.md'), card);
      return {
        model: directory,
        bestEpoch: result.bestEpoch,
        steps: result.steps,
        ...scores(metrics),
        split,
      };
    } finally {
      await model.dispose();
    }
  };
}

/** What of the training a client hears. */
function progressOf(event: TrainingEvent): [type: string, data: unknown][] {
  switch (event.type) {
    case 'step': {
      const { step, totalSteps, epoch, loss } = event;
      return [['step', { step, totalSteps, epoch, loss }]];
    }
    case 'epoch':
      return [['epoch', { epoch: event.epoch, trainLoss: event.trainLoss }]];
    case 'evaluation':
      return [['evaluation', { epoch: event.epoch, split: event.split, ...scores(event.metrics) }]];
    default:
      return [];
  }
}

function scores(metrics: { accuracy: number; macro: { f1: number }; entities: { micro: { f1: number } } }) {
  return {
    accuracy: metrics.accuracy,
    macroF1: metrics.macro.f1,
    entityF1: metrics.entities.micro.f1,
  };
}

interface Uploads {
  train: Sentence[];
  validation: Sentence[];
  test?: Sentence[];
}

/** @throws DATA_FORMAT that names the field and its line */
async function readUploads({ train, validation, test }: TrainRequest): Promise<Uploads> {
  const folder = await mkdtemp(join(tmpdir(), 'permafrost-upload-'));
  try {
    const read = async (field: string, text: string): Promise<Sentence[]> => {
      const file = join(folder, field);
      await writeFile(file, text);
      const sentences: Sentence[] = [];
      for await (const sentence of readConll(file)) sentences.push(sentence);
      return sentences;
    };
    return {
      train: await read('train', train),
      validation: await read('validation', validation),
      ...(test !== undefined && { test: await read('test', test) }),
    };
  } catch (error) {
    // The client knows fields, not files of the service.
    if (!(error instanceof PermafrostError)) throw error;
    throw new PermafrostError(error.code, error.message.replaceAll(`${folder}/`, ''));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
