import type { RunRecord } from '../experiment/run-record.js';
import { type DatasetDescription, type ModelDescription, portionText } from '../experiment/scenario.js';
import type { TrainingSettings } from '../experiment/training-settings.js';
import { formatCount, formatPercent } from './format.js';
import { PAPER, paperDatasetTitle } from './paper-tables.js';
import { hasBorrowed, SUPPORT_THRESHOLD } from './scenario-summary.js';
import type { GridSummary } from './summary.js';

/** What a report is of: the model and the data. */
export function gridTitle(records: readonly RunRecord[]): string {
  const { dataset, model } = records[0]!.scenario;
  return `Layer freezing: model ${model.name}, data ${datasetTitle(dataset)}`;
}

/** A dataset's name; where that says only which part a file is, the names of its files. */
export function datasetTitle(dataset: DatasetDescription): string {
  const isPart = /^(train|training|data|all|full)([-_.].*)?$/i.test(dataset.name);
  if (!isPart) return dataset.name;
  if (dataset.source === 'split') return dataset.file;
  if (dataset.source !== 'files') return dataset.name;
  return [dataset.train, dataset.validation, dataset.test].filter((file) => file !== null).join(', ');
}

/** What was trained, on what, with what: name and value of each fact. */
export function gridFacts(summary: GridSummary): [name: string, value: string][] {
  const { records, whole, counts, evaluatedOn } = summary;
  const first = whole[0]!;
  const { data, tokenizer, scenario } = first;
  const sizes = [data.train, data.validation, data.test].flatMap((split) => split?.sentences ?? []);
  return [
    ['dataset', datasetText(scenario.dataset)],
    ...dataFacts(summary),
    ['sentences', `${sizes.join(' / ')} (train / validation${data.test === null ? '' : ' / test'})`],
    ['model', `${modelText(scenario.model)}, ${formatCount(first.totalParameters)} parameters`],
    ['vocabulary', `${tokenizer.vocabSize} tokens`],
    ['labels', `${first.labels.length}`],
    ['training', trainingText(scenario.training)],
    ...prefixFacts(records),
    ['seeds', distinct(records, ({ seed }) => `${seed}`).join(', ')],
    ['scored on', `${evaluatedOn} split, best epoch: ${counts.sentences} sentences, ${counts.words} words`],
    [
      'cut or lost words',
      `${counts.truncatedWords} cut at the maximum length, ${counts.wordsWithoutTokens} without a token; scored as O`,
    ],
    ['hardware', distinct(records, hardwareText).join('; ')],
    ['versions', distinct(records, versionsText).join('; ')],
  ];
}

/** Entity types that became others, test sets that have names, and numbers of training sentences. */
function dataFacts({ whole, sizes }: GridSummary): [string, string][] {
  const { scenario, data } = whole[0]!;
  const { map = {}, tests = {} } = scenario.dataset;
  const mapped = Object.entries(map).map(([from, to]) => `${from} → ${to}`);
  const sets = Object.entries(tests).map(
    ([name, file]) => `${name} (${file}, ${data.tests[name]!.sentences} sentences)`,
  );
  return [
    ...(mapped.length > 0 ? [['entity types mapped', mapped.join(', ')] as [string, string]] : []),
    ...(sets.length > 0 ? [['test sets', sets.join(', ')] as [string, string]] : []),
    ...(sizes.length > 1
      ? [['training sentences', sizes.map(({ sentences }) => sentences).join(', ')] as [string, string]]
      : []),
  ];
}

function prefixFacts(records: readonly RunRecord[]): [string, string][] {
  const kept = records.filter(({ prefixStore }) => prefixStore !== null);
  if (kept.length === 0) return [];
  const strategies = distinct(kept, ({ scenario }) => scenario.strategy).join(', ');
  const precision = distinct(kept, ({ prefixStore }) => prefixStore!.precision).join(', ');
  return [
    [
      'frozen layers kept',
      `${strategies}: outputs computed once, then read by later epochs and runs (${precision})`,
    ],
  ];
}

/**
 * How a number of frozen layers stands beside the paper's where the model has another depth; null where it has the same.
 */
export function depthNote({ whole }: Pick<GridSummary, 'whole'>): string | null {
  const numLayers = whole[0]!.plan.layers.length;
  if (numLayers === PAPER.numLayers) return null;
  return (
    `This model has ${numLayers} layers and the paper’s has ${PAPER.numLayers}: depths are matched by their share, k of ` +
    `${numLayers} with ${PAPER.numLayers} k / ${numLayers} of ${PAPER.numLayers}.`
  );
}

/** The source of the paper's figures, and why times are compared as factors. */
export function paperNote(summary: GridSummary): string {
  const shares = depthNote(summary);
  return (
    `Columns named "paper" hold ${paperDatasetTitle(summary.paperDataset)} figures of ${PAPER.source}: ${PAPER.model}, ` +
    `${PAPER.hardware}, means of ${PAPER.repeats} runs. Seconds measured on other hardware say nothing beside these, ` +
    `so times stand as factors against k = 0 of the same table.${shares === null ? '' : ` ${shares}`}`
  );
}

/** What the mark behind a time means; null where none has it. */
export function borrowedNote({ records }: GridSummary): string | null {
  const borrowed = records.filter(hasBorrowed).length;
  if (borrowed === 0) return null;
  return (
    `Seconds marked “cache of another run” lack work: ${borrowed} of ${records.length} runs read outputs of frozen layers that another run of ` +
    'the grid had computed. Such a run has no part in times, factors, energy and the figure of times, save those of later ' +
    'epochs, in which every run reads; where no run of a row did all of its work, its seconds stand marked, and no factor.'
  );
}

/** How the columns are to be read, one sentence each. */
export const COLUMN_NOTES: readonly string[] = [
  's to stop: training and validation until training ended; s/epoch: training steps alone.',
  '× bound: what arithmetic allows at best for an epoch, counting 1 for a layer’s forward pass, 1 for the gradient ' +
    'of its activations and 1 for that of its weights; embeddings, head and optimizer count nothing.',
  '× faster, later epochs: from the second epoch on, when outputs of the frozen layers are kept; the paper computes them ' +
    'in every step.',
  's, first epoch and later epochs, apart where outputs of frozen layers are kept: the first one computes them, the later ' +
    'ones read them.',
  '× bound of a schedule: none, since arithmetic bounds what one plan saves, and its plan changes.',
  '× by eq. 5: the paper’s cost model, time in proportion to the parameters that learn.',
  '× paper: seconds to its own stop, k = 0 over k. The paper’s two rows with k = 0 are one configuration measured ' +
    'twice, and lie 15% (KazNERD) and 25% (CoNLL-2003) apart.',
  'accuracy, macro and weighted F1: words, O counted as a label, unless “without O” is said.',
  `macro F1, support ≥ ${SUPPORT_THRESHOLD}: over labels with at least so many gold words, O included.`,
  'entity F1: micro average over whole entities as seqeval’s default mode counts them; strict: its strict IOB2 mode.',
  'mean ± sample standard deviation over seeds; no deviation where there is one seed.',
];

/** What was not run, and what keeps ours and the paper's figures apart. */
export function limits(summary: GridSummary): string[] {
  const { records, whole, notRun, paperDataset } = summary;
  const { scenario } = whole[0]!;
  const result = [...notRunByStrategy(notRun), ...warningsOf(records)];
  if (scenario.model.kind === 'fresh') {
    result.push(
      'Pretrained weights were not used: the model starts from random ones, so its scores do not compare with the paper’s.',
    );
  } else if (!scenario.model.name.includes(PAPER.model)) {
    result.push(`The paper’s model, ${PAPER.model}, was not run.`);
  }
  if (scenario.dataset.source === 'generated') {
    result.push(
      `The paper’s dataset, ${paperDatasetTitle(paperDataset)}, was not run: these sentences are generated.`,
    );
  }
  const seeds = distinct(records, ({ seed }) => `${seed}`).length;
  if (seeds < PAPER.repeats) {
    result.push(`Repeats: ${seeds} of the ${PAPER.repeats} that the paper has.`);
  }
  if (distinct(records, hardwareText).length > 1) {
    result.push('The runs come from different machines or thread counts: their times do not compare.');
  }
  return result;
}

function notRunByStrategy(notRun: GridSummary['notRun']): string[] {
  const nameOf = ({ strategy, trainSize }: GridSummary['notRun'][number]) =>
    trainSize === undefined ? strategy : `${strategy}, ${portionText({ trainSize })}`;
  return [...new Set(notRun.map(nameOf))].map((name) => {
    const seeds = notRun.filter((run) => nameOf(run) === name).map(({ seed }) => seed);
    return `${name}: not run with seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}.`;
  });
}

/** What the runs warn of, each once with the strategies that it is so of; all of them need no name. */
function warningsOf(records: readonly RunRecord[]): string[] {
  const all = distinct(records, ({ scenario }) => scenario.strategy);
  return [...new Set(records.flatMap(({ warnings }) => warnings))].map((warning) => {
    const having = records.filter(({ warnings }) => warnings.includes(warning));
    const strategies = distinct(having, ({ scenario }) => scenario.strategy);
    return strategies.length === all.length ? warning : `${strategies.join(', ')}: ${warning}`;
  });
}

export function datasetText(dataset: DatasetDescription): string {
  switch (dataset.source) {
    case 'generated':
      return `${dataset.name}, generated with seed ${dataset.seed}`;
    case 'files':
      return `${dataset.name} (${[dataset.train, dataset.validation, dataset.test].filter((file) => file !== null).join(', ')})`;
    case 'hub':
      return `${dataset.name} (${dataset.repo}${dataset.config && `, ${dataset.config}`}, commit ${dataset.commit.slice(0, 12)})`;
    case 'split':
      return `${dataset.name} (${dataset.file}, split ${dataset.split.join('/')} with seed ${dataset.seed})`;
  }
}

export function modelText(model: ModelDescription): string {
  if (model.kind === 'checkpoint') return `${model.name}, ${model.numLayers} layers`;
  const { numLayers, hiddenSize, numHeads } = model.shape;
  return `${model.name}, random weights, ${numLayers} layers, hidden size ${hiddenSize}, ${numHeads} heads`;
}

export function trainingText({ optimizer, earlyStopping, ...settings }: TrainingSettings): string {
  const stopping =
    earlyStopping === false
      ? 'no early stopping'
      : `early stopping on validation ${earlyStopping.metric}, patience ${earlyStopping.patience}`;
  return [
    `at most ${settings.epochs} epochs`,
    stopping,
    `${settings.batchSize} sentences a step`,
    `at most ${settings.maxLength} tokens`,
    `AdamW, learning rate ${optimizer.learningRate}, ${optimizer.schedule}, warm-up ${optimizer.warmupSteps === undefined ? formatPercent(optimizer.warmupRatio) : `${optimizer.warmupSteps} steps`}`,
    ...(optimizer.layerDecay === undefined ? [] : [`layer decay ${optimizer.layerDecay}`]),
    ...(optimizer.headLearningRate === undefined ? [] : [`head at ${optimizer.headLearningRate}`]),
    `weight decay ${optimizer.weightDecay}`,
    `dropout of frozen layers ${settings.frozenDropout}`,
    settings.precision,
  ].join('; ');
}

export function hardwareText({ hardware, threads }: RunRecord): string {
  const { device, deviceName, matmul, cpuModel, cores, platform } = hardware;
  const products = matmul === undefined ? '' : `, products by ${matmul}`;
  const host = `${cpuModel}, ${cores} cores, ${threads} threads${products}, ${platform}`;
  if (device === 'cpu') return `cpu: ${host}`;
  return `${device}: ${deviceName ?? 'a card that the record does not name'}; processor: ${host}`;
}

export function versionsText({ versions }: RunRecord): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version ?? 'unknown'}`)
    .join(', ');
}

function distinct(records: readonly RunRecord[], text: (record: RunRecord) => string): string[] {
  return [...new Set(records.map(text))];
}
