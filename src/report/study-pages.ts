import type { DifferentSentence, SentenceComparison } from '../evaluation/compare-sentences.js';
import { spanReader } from '../evaluation/entity-spans.js';
import type { ErrorExamples } from '../experiment/error-examples.js';
import type { ErrorStudy } from '../experiment/error-studies.js';
import type { GradientStudy, PartGradients } from '../experiment/gradient-study.js';
import type { SimilarityStudy } from '../experiment/similarity-study.js';
import { type Block, heading, paragraph, table } from './blocks.js';
import { errorBlocks, exampleBlocks } from './error-tables.js';
import { drawChart } from './figures/chart.js';
import { errorFigure } from './figures/errors.js';
import type { Figure } from './figures/figure.js';
import { linePanels, type Point } from './figures/lines.js';
import { NONE } from './format.js';
import { bracketed } from './sentences.js';
import type { TextTable } from './tables.js';

/** A study as it is written to a page. */
export interface StudyPage {
  blocks: Block[];
  figures: Figure[];
}

/** Sentences that a page lists of those that only one scenario gets right; programs get all of them. */
const LISTED_SENTENCES = 25;

/** Two scenarios, and how the sentences fall to them. */
export interface NamedComparison {
  first: string;
  second: string;
  comparison: SentenceComparison;
}

export function errorPage(
  studies: readonly ErrorStudy[],
  split: string,
  compared: NamedComparison | null,
  examples: ErrorExamples | null = null,
): StudyPage {
  const [title, ...rest] = errorBlocks(studies, split);
  const blocks = title === undefined ? [] : [{ ...title, level: 1 } as Block, ...rest];
  const drawn = errorFigure(studies, split);
  return {
    blocks: [...blocks, ...(compared === null ? [] : comparisonBlocks(compared)), ...exampleBlocks(examples)],
    figures: drawn === null ? [] : [drawn],
  };
}

function comparisonBlocks({ first, second, comparison }: NamedComparison): Block[] {
  const lists = [
    [first, second, comparison.onlyFirst],
    [second, first, comparison.onlySecond],
  ] as const;
  return [
    heading(2, 'Sentences that only one gets right'),
    paragraph('Right: all entities of the sentence and no others, in more than half of the scenario’s runs.'),
    table(sentenceTable({ first, second, comparison })),
    ...lists.flatMap(([right, wrong, sentences]) =>
      sentences.length === 0
        ? []
        : [
            heading(3, `${right} is right, ${wrong} is not`),
            table(differenceTable(sentences, right === first ? 'second' : 'first', wrong)),
          ],
    ),
  ];
}

/** How many sentences both, one or none of two scenarios get right. */
export function sentenceTable({ first, second, comparison }: NamedComparison): TextTable {
  const { bothRight, neitherRight, onlyFirst, onlySecond } = comparison;
  return {
    head: ['right', 'sentences'],
    rows: [
      ['both', `${bothRight}`],
      [`only ${first}`, `${onlyFirst.length}`],
      [`only ${second}`, `${onlySecond.length}`],
      ['neither', `${neitherRight}`],
    ],
  };
}

/** The first of the sentences, with what the scenario that errs says. */
export function differenceTable(
  sentences: readonly DifferentSentence[],
  wrong: 'first' | 'second',
  name: string,
): TextTable {
  return {
    head: ['source', 'gold', name],
    rows: sentences
      .slice(0, LISTED_SENTENCES)
      .map((sentence) => [
        sentence.source,
        bracketed(sentence.words, spansOf(sentence.gold)),
        bracketed(sentence.words, spansOf(sentence[wrong])),
      ]),
  };
}

const spansOf = spanReader({});

export function gradientPage(studies: readonly GradientStudy[]): StudyPage {
  const [{ batches }] = studies as [GradientStudy];
  const measures: [string, (part: PartGradients) => number | null][] = [
    ['norm of the mean gradient', ({ norm }) => norm],
    ['variance', ({ variance }) => variance],
  ];
  const points = measures.flatMap(([measure, numberOf]) =>
    studies.flatMap((study) =>
      study.parts.flatMap((part) => {
        const layer = layerOf(part.part);
        const value = numberOf(part);
        return layer === null || value === null ? [] : [pointAt(layer, nameOf(study), measure, value)];
      }),
    ),
  );
  return {
    blocks: [
      heading(1, 'Gradients by layer'),
      paragraph(
        `Over ${batches} batches of training sentences, dropout on and nothing frozen while it is measured; an asterisk ` +
          'marks what the scenario had frozen. Norm: of the mean gradient, less what chance adds to it. Variance: trace of ' +
          'the covariance of the batches’ gradients (the paper’s equation 4). Noise: variance over squared norm (McCandlish ' +
          'et al. 2018): by what factor a batch would have to grow for chance to weigh no more than the gradient itself.',
      ),
      ...(
        [
          ['Norm of the mean gradient', ({ norm }) => figure(norm)],
          ['Variance', ({ variance }) => figure(variance)],
          ['Noise', ({ noise }) => (noise === null ? NONE : figure(noise))],
        ] as [string, (part: PartGradients) => string][]
      ).flatMap(([title, cell]) => [heading(2, title), table(gradientTable(studies, cell))]),
    ],
    figures: [
      drawChart({
        name: 'gradients',
        title: 'Gradients by layer',
        caption: `Over ${batches} batches, at the weights that all start from and at the best weights of each scenario.`,
        panels: linePanels({
          points,
          x: { label: 'layer' },
          y: { label: 'gradient', ...(spansDecades(points) ? { isLog: true } : { range: 'zero' }) },
          format: figure,
        }),
      }),
    ],
  };
}

/** A row a part of the model and a column a study. */
export function gradientTable(
  studies: readonly GradientStudy[],
  cell: (part: PartGradients) => string,
): TextTable {
  return {
    head: ['part', ...studies.map(nameOf)],
    rows: studies[0]!.parts.map(({ part }, row) => [
      part,
      ...studies.map(({ parts }) => `${cell(parts[row]!)}${parts[row]!.frozen ? ' *' : ''}`),
    ]),
  };
}

export function similarityPage(studies: readonly SimilarityStudy[]): StudyPage {
  const points = studies.flatMap(({ strategy, outputs }) =>
    outputs.flatMap(({ part, cka }) => {
      const layer = layerOf(part);
      return layer === null || cka === null ? [] : [pointAt(layer, strategy, 'linear CKA', cka)];
    }),
  );
  return {
    blocks: [
      heading(1, 'Representations before and after training'),
      paragraph(
        `Linear centred kernel alignment (Kornblith et al. 2019) of each output at the best weights with the same output at ` +
          `the weights that training started from, over ${studies[0]!.tokens} words of the validation data: 1 where it has ` +
          'changed by rotation and scale at most. An asterisk marks what was frozen.',
      ),
      table(similarityTable(studies)),
    ],
    figures: [
      drawChart({
        name: 'similarity',
        title: 'Representations before and after training',
        caption:
          'Linear CKA of each layer’s output with that before training; 1: unchanged but for rotation and scale.',
        panels: linePanels({
          points,
          x: { label: 'layer' },
          y: { label: 'linear CKA, 1 is unchanged', range: 'data' },
        }),
      }),
    ],
  };
}

/** A row an output and a column a scenario. */
export function similarityTable(studies: readonly SimilarityStudy[]): TextTable {
  return {
    head: ['output', ...studies.map(({ strategy }) => strategy)],
    rows: studies[0]!.outputs.map(({ part }, row) => [
      part,
      ...studies.map(({ outputs }) => {
        const { cka, frozen } = outputs[row]!;
        return `${cka?.toFixed(4) ?? NONE}${frozen ? ' *' : ''}`;
      }),
    ]),
  };
}

function nameOf({ strategy }: GradientStudy): string {
  return strategy ?? 'before training';
}

function layerOf(part: string): number | null {
  const layer = /^layer (\d+)$/.exec(part)?.[1];
  return layer === undefined ? null : Number(layer);
}

function pointAt(x: number, series: string, measure: string, value: number): Point {
  return { x, series, measure, mean: value, low: value, high: value };
}

/** Whether the largest is so much larger than the least that the small ones would lie on the axis. */
function spansDecades(points: readonly Point[]): boolean {
  const values = points.map(({ mean }) => mean);
  const least = Math.min(...values);
  return least > 0 && Math.max(...values) > 50 * least;
}

/** Three significant digits, whatever the size. */
function figure(value: number): string {
  if (value === 0) return '0';
  return value >= 1e-3 && value < 1e5 ? Number(value.toPrecision(3)).toString() : value.toExponential(2);
}
