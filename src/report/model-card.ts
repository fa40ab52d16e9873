import { stringify } from 'yaml';
import type { Metrics } from '../evaluation/metrics.js';
import type { Scores } from '../evaluation/scores.js';
import type { RunRecord } from '../experiment/run-record.js';
import { isRepoName } from '../hub/repo.js';
import { datasetText, hardwareText, modelText, trainingText, versionsText } from './context.js';
import { drawTable } from './markdown.js';

/** What a model card states. */
export interface ModelCardFacts {
  name: string;
  /** Label of each id of the head. */
  labels: readonly string[];
  /** Notation of the freezing strategy, such as `bottom-up:6`. */
  strategy: string;
  dataset: {
    name: string;
    /** `owner/name` on the Hub, where it is there; its part, empty for the only one, and commit. */
    repo?: string;
    config?: string;
    commit?: string;
    /** Sentences of each split; null where there is none. */
    sentences: { train: number; validation: number; test: number | null };
  };
  /** Of the saved weights. */
  evaluation: { split: 'validation' | 'test'; metrics: Metrics };
  /** Model that training started from, null for random weights. */
  baseModel: string | null;
  /** What it is called on the Hub. @default the same, where it can be a name of the Hub */
  hubModel?: string;
  /** Name and value of further facts of the training. */
  training?: readonly (readonly [name: string, value: string])[];
  /** Command that trained the model. */
  command?: string;
  /** ISO 639 code of the language. */
  language?: string;
  /** Licence of the weights, in the Hub's spelling (`apache-2.0`). */
  license?: string;
}

/** What a run record does not know. */
export type ModelCardOptions = Pick<ModelCardFacts, 'hubModel' | 'command' | 'language' | 'license'> & {
  name?: string;
};

/** Models of the Hub that have no owner in their names; a directory that is called so holds one. */
const OWNERLESS = /^(bert|distilbert|roberta|distilroberta|xlm-roberta|camembert)-(base|large)(-|$)/;

// The Hub reads YAML 1.1, to which Norwegian, `no`, is a truth value.
const YAML = { version: '1.1', lineWidth: 0 } as const;

const USE_HERE = `import { Tagger } from 'permafrost';

const tagger = await Tagger.load('DIRECTORY');
await tagger.tag('…'); // type, score, start, end, text`;

const USE_IN_PYTHON = `from transformers import pipeline

pipeline('token-classification', model='DIRECTORY', aggregation_strategy='first')('…')`;

/**
 * The model card of a token classifier: README.md as the Hugging Face Hub reads it, with the scores as `model-index`.
 *
 * @returns YAML front matter and Markdown; the same facts give the same text.
 */
export function modelCard(facts: ModelCardFacts): string {
  const { name, labels, strategy, dataset, baseModel, evaluation, training = [], command } = facts;
  const { train, validation, test } = dataset.sentences;
  const tests = test === null ? '' : `, ${test} to test`;
  const origin = baseModel === null ? 'random weights' : `\`${baseModel}\``;
  const blocks = [
    `---\n${stringify(metadata(facts), YAML)}---`,
    `# ${name}`,
    'A token classifier for named entity recognition, trained by ' +
      `permafrost from ${origin} with freezing strategy \`${strategy}\`.`,
    `## Scores on the ${evaluation.split} split`,
    drawTable(scoreTable(evaluation.metrics)),
    'Entities are right only as a whole (seqeval’s default mode). ' +
      `Accuracy over words: ${format(evaluation.metrics.accuracy)}; macro F1 over word labels, O included: ` +
      `${format(evaluation.metrics.macro.f1)}. A word that was cut off counts as O.`,
    '## Data',
    `${dataset.name}: ${train} sentences to train, ${validation} to validate${tests}.`,
    '## Training',
    drawTable({ head: ['', ''], rows: [['freezing', strategy], ...training.map((row) => [...row])] }),
    ...(command === undefined ? [] : [code('sh', command)]),
    '## Use',
    code('js', USE_HERE),
    code('python', USE_IN_PYTHON),
    '## Labels',
    labels.map((label) => `\`${label}\``).join(', '),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** The card's facts of a run whose best weights were saved. */
export function recordCardFacts(record: RunRecord, options: ModelCardOptions = {}): ModelCardFacts {
  const { scenario, data } = record;
  const best = record.epochs.find(({ epoch }) => epoch === record.bestEpoch)!;
  const { dataset } = scenario;
  const onHub =
    dataset.source === 'hub' ? { repo: dataset.repo, config: dataset.config, commit: dataset.commit } : {};
  return {
    name: `${scenario.model.name}-${scenario.dataset.name}-${scenario.strategy.replace(/[^\w.-]+/g, '-')}`,
    labels: record.labels,
    strategy: scenario.strategy,
    dataset: {
      name: datasetText(scenario.dataset),
      ...onHub,
      sentences: {
        train: data.train.sentences,
        validation: data.validation.sentences,
        test: data.test?.sentences ?? null,
      },
    },
    evaluation: record.test
      ? { split: 'test', metrics: record.test }
      : { split: 'validation', metrics: best.validation },
    baseModel: scenario.model.kind === 'checkpoint' ? scenario.model.name : null,
    training: [
      ['model', modelText(scenario.model)],
      ['parameters that learned', `${record.trainableParameters} of ${record.totalParameters}`],
      ['settings', trainingText(scenario.training)],
      ['seed', `${record.seed}`],
      ['epochs', `${record.epochs.length}, best ${record.bestEpoch}`],
      ['data digest', record.data.digest],
      ['hardware', hardwareText(record)],
      ['versions', versionsText(record)],
    ],
    ...options,
  };
}

/** A directory's name would be a link to another model, or to none. */
function isHubName(baseModel: string | null): baseModel is string {
  return (
    baseModel !== null && isRepoName(baseModel) && (baseModel.includes('/') || OWNERLESS.test(baseModel))
  );
}

function metadata(facts: ModelCardFacts) {
  const { name, dataset, baseModel, evaluation, language, license } = facts;
  const { entities, accuracy, macro } = evaluation.metrics;
  const hubModel = facts.hubModel ?? (isHubName(baseModel) ? baseModel : undefined);
  const { repo, config, commit } = dataset;
  const metric = (type: string, value: number, title: string) => ({ type, value, name: title });
  return {
    ...(language !== undefined && { language }),
    ...(license !== undefined && { license }),
    library_name: 'transformers',
    pipeline_tag: 'token-classification',
    ...(hubModel !== undefined && { base_model: hubModel }),
    ...(repo !== undefined && { datasets: [repo] }),
    tags: ['token-classification', 'named-entity-recognition', 'permafrost'],
    metrics: ['precision', 'recall', 'f1', 'accuracy'],
    'model-index': [
      {
        name,
        results: [
          {
            task: { type: 'token-classification', name: 'Named Entity Recognition' },
            dataset: {
              type: repo ?? 'other',
              name: dataset.name,
              ...(config && { config }),
              split: evaluation.split,
              ...(commit && { revision: commit }),
            },
            metrics: [
              metric('precision', entities.micro.precision, 'Entity precision (micro)'),
              metric('recall', entities.micro.recall, 'Entity recall (micro)'),
              metric('f1', entities.micro.f1, 'Entity F1 (micro)'),
              metric('f1', macro.f1, 'Word F1 (macro, O included)'),
              metric('accuracy', accuracy, 'Word accuracy'),
            ],
          },
        ],
      },
    ],
  };
}

function scoreTable({ entities }: Metrics) {
  const row = (name: string, { precision, recall, f1, support }: Scores) => [
    name,
    format(precision),
    format(recall),
    format(f1),
    `${support}`,
  ];
  return {
    head: ['entities', 'precision', 'recall', 'F1', 'support'],
    rows: [
      row('all (micro)', entities.micro),
      row('mean of types (macro)', entities.macro),
      ...Object.entries(entities.types).map(([type, scores]) => row(type, scores)),
    ],
  };
}

function code(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

function format(score: number): string {
  return score.toFixed(4);
}
