import type { RankedPlan, SearchResult } from '../experiment/search/search.js';
import { TOLERANCE } from '../experiment/search/verdict.js';
import { type Block, facts, heading, list, paragraph, table } from './blocks.js';
import { datasetTitle, gridFacts } from './context.js';
import { drawChart } from './figures/chart.js';
import { learningCurves } from './figures/epoch-curves.js';
import type { Figure } from './figures/figure.js';
import { paretoFigure } from './figures/pareto.js';
import { formatDifference, formatSeconds, NONE } from './format.js';
import { summarise } from './summary.js';
import { runTable, type TextTable } from './tables.js';

/** Every plan with what it is worth on the validation data and what it costs, in the order of the search. */
export function searchTable({ best, cheapest, plans, rungs, test }: SearchResult): TextTable {
  const hasRungs = rungs.length > 1;
  const hasEnergy = plans.every(({ joules }) => joules !== null);
  const named = (notation: string) =>
    [...(notation === best ? ['best'] : []), ...(notation === cheapest ? ['cheapest'] : [])].join(', ');
  const held = ({ notation }: RankedPlan) => {
    const scores = test?.[notation];
    return scores === undefined ? NONE : `${scores.entityF1.toFixed(4)} / ${scores.macroF1.toFixed(4)}`;
  };
  return {
    head: [
      'plan',
      ...(hasRungs ? ['rung'] : []),
      'validation',
      'standard error',
      'less the best',
      'epochs',
      'cost',
      's to stop',
      ...(hasEnergy ? ['J'] : []),
      ...(test === null ? [] : ['test entity / macro F1']),
      'named',
    ],
    rows: plans.map((plan) => [
      plan.notation,
      ...(hasRungs ? [`${plan.rung}`] : []),
      plan.mean.toFixed(4),
      plan.standardError?.toFixed(4) ?? NONE,
      behindText(plan),
      plan.epochs.toFixed(1),
      plan.cost.toFixed(0),
      formatSeconds(plan.seconds),
      ...(hasEnergy ? [plan.joules!.toFixed(0)] : []),
      ...(test === null ? [] : [held(plan)]),
      named(plan.notation),
    ]),
  };
}

/** What a search answers, in sentences. */
export function searchVerdict({ best, cheapest, plans, metric }: SearchResult): string {
  const of = (notation: string) => plans.find((plan) => plan.notation === notation)!;
  const leader = of(best);
  const first = `Best by validation ${metric}: ${best}, ${leader.mean.toFixed(4)}.`;
  if (best === cheapest) return `${first} It is the cheapest within tolerance, too.`;
  const other = of(cheapest);
  const share = leader.cost > 0 ? other.cost / leader.cost : 1;
  return (
    `${first} Cheapest within max(${TOLERANCE}, one paired standard error) of it: ${cheapest}, ${other.mean.toFixed(4)}, ` +
    `at ${share.toFixed(2)} of its steps' cost; difference ${behindText(other)}.`
  );
}

function searchTitle({ records }: SearchResult): string {
  const { dataset, model } = records[0]!.scenario;
  return `How many layers to freeze: model ${model.name}, data ${datasetTitle(dataset)}`;
}

/** The report of a search, and its figures. */
export function searchReport(result: SearchResult): { blocks: Block[]; figures: Figure[] } {
  const { records, rungs, plans } = result;
  const whole = records.filter(({ scenario }) => scenario.maxSteps === undefined);
  // Facts of the data and the model; what was measured on the test split stands in the table alone.
  const summary = summarise(whole.map((record) => ({ ...record, test: null, tests: {} })))!;
  const curves = learningCurves(whole);
  const { units } = rungs.at(-1)!;
  const { folds } = plans[0]!;
  const split =
    folds === 0 ? 'the validation split' : `${folds} folds of training and validation data together`;
  return {
    blocks: [
      heading(1, searchTitle(result)),
      paragraph(searchVerdict(result)),
      table(searchTable(result)),
      list([
        `Every plan was measured on ${split}, with the same seeds; the test sets were read for the plans that are named, and for no other.`,
        `Less the best: mean difference over the ${units.length} trainings in pairs, with its 95% interval by Student’s t.`,
        'Cost: steps of a model of which nothing but the embeddings is frozen that would take as much arithmetic, kept ' +
          'outputs of frozen layers counted as free; seconds and joules are as measured.',
        ...rungTexts(result),
      ]),
      heading(2, 'What was trained'),
      facts(gridFacts(summary)),
      heading(2, 'Every run'),
      table(runTable({ records: records.map((record) => ({ ...record, test: null, tests: {} })) })),
    ],
    figures: [paretoFigure(result), ...(curves === null ? [] : [curves])].map(drawChart),
  };
}

function rungTexts({ rungs }: SearchResult): string[] {
  if (rungs.length < 2) return [];
  return rungs.map(({ plans, units, share }, index) => {
    const trainings = `${units.length} training${units.length > 1 ? 's' : ''}`;
    const steps = share < 1 ? `, ${(100 * share).toFixed(0)}% of the steps` : '';
    return `Rung ${index + 1}: ${plans} plans, ${trainings} each${steps}.`;
  });
}

function behindText({ behind }: RankedPlan): string {
  if (behind === null) return NONE;
  const { mean, interval } = behind;
  if (interval === null) return formatDifference(mean);
  return `${formatDifference(mean)} (${formatDifference(interval[0])} to ${formatDifference(interval[1])})`;
}
