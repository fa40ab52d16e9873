import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { PermafrostError } from '../../errors/error.js';
import { compareSentences } from '../../evaluation/compare-sentences.js';
import { ExampleCollector } from '../../experiment/error-examples.js';
import { type ErrorStudy, readAnswers, studyErrors } from '../../experiment/error-studies.js';
import { type FoundRun, findRuns } from '../../experiment/found-runs.js';
import { type GradientStudy, measureGradients } from '../../experiment/gradient-study.js';
import { parseStrategyList } from '../../experiment/grid.js';
import { runScenario } from '../../experiment/run.js';
import { runId, scenarioOf } from '../../experiment/scenario.js';
import { measureSimilarity, type SimilarityStudy } from '../../experiment/similarity-study.js';
import type { TokenClassifier } from '../../model/token-classifier.js';
import { errorGroupTable, errorKindTable } from '../../report/error-tables.js';
import { writeLatex } from '../../report/latex.js';
import {
  errorPage,
  gradientPage,
  gradientTable,
  type NamedComparison,
  type StudyPage,
  sentenceTable,
  similarityPage,
  similarityTable,
} from '../../report/study-pages.js';
import { drawTable } from '../../report/terminal.js';
import { writePage } from '../../report/write-report.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addErrorOptions, errorOptions } from '../error-options.js';
import { type OpenRuns, openRuns } from '../open-workspace.js';
import {
  addJsonOption,
  addLatexOption,
  addTrainingOptions,
  experimentGroups,
  latexOption,
  outOption,
  strategiesOption,
} from '../options.js';
import { showTraining } from '../progress/show.js';
import { checkedOptions, type Flags } from '../schema-options.js';

const trainedShape = {
  strategies: strategiesOption('bottom-up:0,bottom-up:6', 'such as "paper" or "bottom-up:0,bottom-up:6"'),
  seed: z.int().min(0).default(42).describe('fixes initial weights, order and dropout'),
  out: outOption('out/study-<dataset>'),
  latex: latexOption,
};

const gradientsShape = {
  ...trainedShape,
  batches: z.int().positive().default(32).describe('batches of training sentences'),
};

const similarityShape = {
  ...trainedShape,
  tokens: z.int().positive().default(20_000).describe('words of the validation data that are compared'),
};

/** What every study of trained scenarios is told. */
type Trained = z.output<z.ZodObject<typeof trainedShape, z.core.$strict>>;

export function addStudyCommand(program: Command, run: Runner): void {
  const study = program
    .command('study')
    .description(
      'what runs got wrong, and what training does to gradients and representations layer by layer',
    );
  const errors = study
    .command('errors')
    .description('take apart the errors of finished runs: of one run, of a grid, of several')
    .argument('<dir...>', 'directories of runs or grids')
    .addOption(new Option('--split <split>', 'split that was predicted (default: test, else validation)'))
    .option('--between <scenario...>', 'two scenarios: the sentences that only one of them gets right')
    .option('--out <dir>', 'writes errors.md, errors.html and a figure there');
  addExamples(errors, {
    'of every run of a grid': 'permafrost study errors out/demo',
    'what one scenario gets right and the other does not':
      'permafrost study errors out/demo --between full bottom-up:12',
  });
  addLatexOption(errors);
  addErrorOptions(errors);
  addJsonOption(errors).action((dirs: string[], flags: Flags, command: Command) =>
    run(studyErrorsOf)({ ...flags, dirs }, command),
  );
  const gradients = study
    .command('gradients')
    .description(
      'norm and variance of the gradient by layer, before training and at the best weights of each scenario',
    );
  addExamples(gradients, {
    'two scenarios of the demo': 'permafrost study gradients --strategies bottom-up:0,bottom-up:6',
  });
  addTrainingOptions(gradients, gradientsShape, experimentGroups).action(run(studyGradients));
  const similarity = study
    .command('similarity')
    .description('how alike the output of each layer is before and after training, for each scenario');
  addExamples(similarity, {
    'two scenarios of the demo': 'permafrost study similarity --strategies bottom-up:0,top-down:6',
  });
  addTrainingOptions(similarity, similarityShape, experimentGroups).action(run(studySimilarity));
}

async function studyErrorsOf(flags: Flags, context: CommandContext): Promise<void> {
  const { output } = context;
  const dirs = flags.dirs as string[];
  const runs = await namedRuns(dirs);
  const split = (flags.split as string | undefined) ?? splitOf(runs);
  const options = await errorOptions(flags, runs[0]!, context);
  const examples = new ExampleCollector();
  const onAnswers = examples.add.bind(examples);
  const studies = await studyErrors(runs, split, { ...options, onAnswers });
  if (studies.length === 0) {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `${dirs.join(', ')}: expected predictions/${split}.jsonl in at least one run, found none. Name another --split, or ` +
        'train again: runs of earlier versions have left no predictions.',
      { split },
    );
  }
  const compared = await comparisonOf(flags, runs, studies, split);
  output.print(drawTable(errorKindTable(studies)));
  for (const { title } of studies[0]!.analysis.groupings) {
    output.print(`F1 by ${title}`);
    output.print(drawTable(errorGroupTable(studies, title)));
  }
  if (compared !== null) output.print(drawTable(sentenceTable(compared)));
  const page = errorPage(studies, split, compared, examples.choose());
  await write(flags.out as string | undefined, 'errors', page, flags.latex === true, context);
  output.json({ type: 'errors', split, studies, compared });
}

/** Runs of all directories; where these have scenarios of one name, the directory tells them apart. */
async function namedRuns(dirs: readonly string[]): Promise<FoundRun[]> {
  const found = await Promise.all(dirs.map(async (dir) => ({ dir, runs: await findRuns(dir) })));
  const strategies = found.map(({ runs }) => new Set(runs.map(({ record }) => record.scenario.strategy)));
  const isShared = (strategy: string) => strategies.filter((of) => of.has(strategy)).length > 1;
  return found.flatMap(({ dir, runs }) =>
    runs.map(({ record, directory }) => {
      const { strategy } = record.scenario;
      const name = isShared(strategy) ? `${basename(dir)}: ${strategy}` : strategy;
      return { directory, record: { ...record, scenario: { ...record.scenario, strategy: name } } };
    }),
  );
}

function splitOf(runs: readonly FoundRun[]): string {
  return runs.some(({ record }) => record.test === null) ? 'validation' : 'test';
}

/** The two scenarios that are named, else the two that there are. */
async function comparisonOf(
  flags: Flags,
  runs: readonly FoundRun[],
  studies: readonly ErrorStudy[],
  split: string,
): Promise<NamedComparison | null> {
  const known = studies.map(({ strategy }) => strategy);
  const named = flags.between as string[] | undefined;
  const pair = named ?? (known.length === 2 ? known : null);
  if (pair === null) return null;
  const unknown = pair.find((strategy) => !known.includes(strategy));
  if (pair.length !== 2 || unknown !== undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `--between: expected two scenarios of ${known.join(', ')}, got ${pair.join(', ')}.`,
      { option: 'between', expected: known, got: pair },
    );
  }
  const [first, second] = pair as [string, string];
  const answers = (strategy: string) =>
    readAnswers(
      runs.filter(({ record }) => record.scenario.strategy === strategy),
      split,
    );
  return { first, second, comparison: compareSentences(await answers(first), await answers(second)) };
}

async function studyGradients(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const options = checkedOptions(gradientsShape, flags, 'study gradients');
  const { seed, batches } = options;
  const runs = await openRuns(options.out, 'study-', flags, context);
  const { workspace, directory } = runs;
  const studies: GradientStudy[] = [];
  const measure = async (model: TokenClassifier, strategy: string | null) => {
    studies.push(await measureGradients({ workspace, model, strategy, seed, batches, signal }));
  };
  await using start = await workspace.createModel(seed, signal);
  await measure(start, null);
  await eachTrained(options, runs, context, async (strategy, best) => {
    await start.loadWeights(best);
    await measure(start, strategy);
  });
  output.print(drawTable(gradientTable(studies, ({ norm }) => norm.toPrecision(3))));
  output.print('Norm of the mean gradient; * frozen in this scenario');
  await write(directory, 'gradients', await gradientPage(studies), options.latex, context);
  output.json({ type: 'gradients', seed, studies });
}

async function studySimilarity(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const options = checkedOptions(similarityShape, flags, 'study similarity');
  const { seed, tokens } = options;
  const runs = await openRuns(options.out, 'study-', flags, context);
  const { workspace, directory } = runs;
  const studies: SimilarityStudy[] = [];
  await using before = await workspace.createModel(seed, signal);
  await using after = await workspace.createModel(seed, signal);
  await eachTrained(options, runs, context, async (strategy, best) => {
    await after.loadWeights(best);
    studies.push(await measureSimilarity({ workspace, before, after, strategy, tokens, signal }));
  });
  output.print(drawTable(similarityTable(studies)));
  output.print('Linear CKA with the output before training; * frozen in this scenario');
  await write(directory, 'similarity', await similarityPage(studies), options.latex, context);
  output.json({ type: 'similarity', seed, studies });
}

/** Trains what is not there yet, scenario by scenario, and keeps the best weights. */
async function eachTrained(
  { seed, strategies }: Trained,
  { workspace, directory, restart }: OpenRuns,
  { output, signal }: CommandContext,
  visit: (strategy: string, best: string) => Promise<void>,
): Promise<void> {
  for (const strategy of parseStrategyList(strategies, workspace.numLayers)) {
    const scenario = scenarioOf(workspace.settings, strategy);
    const run = join(directory, runId(scenario, seed));
    const events = runScenario({ workspace, scenario, seed, directory: run, restart, signal });
    await showTraining(output, events, { strategy, seed });
    await visit(strategy, join(run, 'best'));
  }
}

async function write(
  directory: string | undefined,
  name: string,
  page: StudyPage,
  hasLatex: boolean,
  { output }: CommandContext,
): Promise<void> {
  if (directory === undefined) return;
  const { markdown, html, figures } = await writePage(directory, name, page);
  const latex = hasLatex ? [await writeLatex(directory, name, page.blocks)] : [];
  output.print(`Report: ${[markdown, html, ...latex, ...figures].join(', ')}`);
}
