import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { readSentences } from '../../data/read-sentences.js';
import { readingShape } from '../../data/reader-options.js';
import { ReadingNotes } from '../../data/reading-notes.js';
import type { Sentence } from '../../data/sentence.js';
import { generateCorpus } from '../../data/synthetic/generate.js';
import { PermafrostError } from '../../errors/error.js';
import { compareSentences } from '../../evaluation/compare-sentences.js';
import type { ErrorAnalysisOptions } from '../../evaluation/error-analysis.js';
import { type ErrorStudy, readAnswers, studyErrors } from '../../experiment/error-studies.js';
import { type FoundRun, findRuns } from '../../experiment/found-runs.js';
import { type GradientStudy, measureGradients } from '../../experiment/gradient-study.js';
import { parseStrategyList } from '../../experiment/grid.js';
import { PRESETS } from '../../experiment/presets/by-name.js';
import { runScenario } from '../../experiment/run.js';
import { runId, scenarioOf } from '../../experiment/scenario.js';
import { measureSimilarity, type SimilarityStudy } from '../../experiment/similarity-study.js';
import type { Workspace } from '../../experiment/workspace.js';
import { locateTokenizer } from '../../hub/tokenizer-files.js';
import type { TokenClassifier } from '../../model/token-classifier.js';
import { errorGroupTable, errorKindTable } from '../../report/error-tables.js';
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
import { Tokenizer } from '../../text/tokenizer.js';
import { probe } from '../../training/directory.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { sayNotes, workspaceOf } from '../open-workspace.js';
import { addExperimentOptions, addJsonOption, addOutputOptions } from '../options.js';
import { showTraining } from '../progress.js';
import { addShape, type Flags, optionsOf, wholeNumber } from '../schema-options.js';

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
    .option('--train <file>', 'training sentences, for what the model has seen (default: those of a preset)')
    .option('--tokenizer <tokenizer>', "directory, file, or model of the Hub (default: the run's)")
    .option('--out <dir>', 'writes errors.md, errors.html and a figure there');
  addJsonOption(addShape(errors, readingShape)).action((dirs: string[], flags: Flags, command: Command) =>
    run(studyErrorsOf)({ ...flags, dirs }, command),
  );
  const trained = (name: string, description: string) => {
    const command = study
      .command(name)
      .description(description)
      .option(
        '--strategies <list>',
        'such as "paper" or "bottom-up:0,bottom-up:6"',
        'bottom-up:0,bottom-up:6',
      )
      .option('--seed <n>', 'fixes initial weights, order and dropout', wholeNumber, 42);
    addOutputOptions(command, 'out/study-<dataset>');
    return command;
  };
  const gradients = trained(
    'gradients',
    'norm and variance of the gradient by layer, before training and at the best weights of each scenario',
  ).option('--batches <n>', 'batches of training sentences', wholeNumber, 32);
  addExperimentOptions(gradients).action(run(studyGradients));
  const similarity = trained(
    'similarity',
    'how alike the output of each layer is before and after training, for each scenario',
  ).option('--tokens <n>', 'words of the validation data that are compared', wholeNumber, 20_000);
  addExperimentOptions(similarity).action(run(studySimilarity));
}

async function studyErrorsOf(flags: Flags, context: CommandContext): Promise<void> {
  const { output } = context;
  const dirs = flags.dirs as string[];
  const runs = await namedRuns(dirs);
  const split = (flags.split as string | undefined) ?? splitOf(runs);
  const options = await errorOptions(flags, runs, context);
  const studies = await studyErrors(runs, split, options);
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
  const page = await errorPage(studies, split, compared);
  await write(flags.out as string | undefined, 'errors', page, context);
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

/** What the errors are looked at by, as far as it is to be had; a note says what is not. */
async function errorOptions(
  flags: Flags,
  runs: readonly FoundRun[],
  context: CommandContext,
): Promise<ErrorAnalysisOptions> {
  const { output } = context;
  const train = await trainingSentences(flags, runs[0]!, context);
  if (train === null)
    output.note('--train FILE: without the training sentences nothing is said of what the model has seen.');
  const tokenizer = await tokenizerOf(flags, runs[0]!, context);
  if (tokenizer === null)
    output.note('--tokenizer MODEL: without the tokenizer nothing is said of how words were cut.');
  return {
    ...(train && { train }),
    ...(tokenizer && { countTokens: (word: string) => tokenizer.wordPieces(word).length }),
  };
}

async function trainingSentences(
  flags: Flags,
  { record }: FoundRun,
  { output }: CommandContext,
): Promise<Sentence[] | null> {
  const file = flags.train as string | undefined;
  if (file !== undefined) {
    const notes = new ReadingNotes();
    const sentences = await readSentences(file, optionsOf(readingShape, flags), { notes });
    sayNotes(output, notes);
    return sentences;
  }
  const { dataset } = record.scenario;
  if (dataset.source !== 'generated') return null;
  const { seed, sizes } = dataset;
  return generateCorpus(dataset.name as 'demo', { seed, sizes }).train;
}

async function tokenizerOf(
  flags: Flags,
  { record, directory }: FoundRun,
  context: CommandContext,
): Promise<Tokenizer | null> {
  const name = flags.tokenizer as string | undefined;
  if (name !== undefined) {
    return Tokenizer.load(await withDownloads(context, (hub) => locateTokenizer(name, hub)));
  }
  const { model } = record.scenario;
  const bundled = PRESETS.map((preset) => preset.model).find(
    (of) => of.kind === 'bundled' && of.name === model.name,
  );
  const places = [join(directory, 'best'), ...(bundled?.kind === 'bundled' ? [bundled.directory] : [])];
  for (const place of places) {
    if (!existsSync(place)) continue;
    const tokenizer = await Tokenizer.load(place);
    if (tokenizer.digest === record.tokenizer.digest) return tokenizer;
  }
  return null;
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
  const [seed, batches] = [flags.seed as number, flags.batches as number];
  const { workspace, directory } = await openStudy(flags, context);
  const studies: GradientStudy[] = [];
  const measure = async (model: TokenClassifier, strategy: string | null) => {
    studies.push(await measureGradients({ workspace, model, strategy, seed, batches, signal }));
  };
  await using start = await workspace.createModel(seed, signal);
  await measure(start, null);
  await eachTrained(flags, context, workspace, directory, async (strategy, best) => {
    await start.loadWeights(best);
    await measure(start, strategy);
  });
  output.print(drawTable(gradientTable(studies, ({ norm }) => norm.toPrecision(3))));
  output.print('Norm of the mean gradient; * frozen in this scenario');
  await write(directory, 'gradients', await gradientPage(studies), context);
  output.json({ type: 'gradients', seed, studies });
}

async function studySimilarity(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const [seed, tokens] = [flags.seed as number, flags.tokens as number];
  const { workspace, directory } = await openStudy(flags, context);
  const studies: SimilarityStudy[] = [];
  await using before = await workspace.createModel(seed, signal);
  await using after = await workspace.createModel(seed, signal);
  await eachTrained(flags, context, workspace, directory, async (strategy, best) => {
    await after.loadWeights(best);
    studies.push(await measureSimilarity({ workspace, before, after, strategy, tokens, signal }));
  });
  output.print(drawTable(similarityTable(studies)));
  output.print('Linear CKA with the output before training; * frozen in this scenario');
  await write(directory, 'similarity', await similarityPage(studies), context);
  output.json({ type: 'similarity', seed, studies });
}

async function openStudy(
  flags: Flags,
  context: CommandContext,
): Promise<{ workspace: Workspace; directory: string }> {
  const { out } = flags as { out?: string };
  // Before data are fetched and read, which can take long.
  if (out !== undefined) await probe(out);
  const workspace = await workspaceOf(flags, context);
  return { workspace, directory: out ?? join('out', `study-${workspace.settings.dataset.name}`) };
}

/** Trains what is not there yet, scenario by scenario, and keeps the best weights. */
async function eachTrained(
  flags: Flags,
  { output, signal }: CommandContext,
  workspace: Workspace,
  directory: string,
  visit: (strategy: string, best: string) => Promise<void>,
): Promise<void> {
  const seed = flags.seed as number;
  for (const strategy of parseStrategyList(flags.strategies as string, workspace.numLayers)) {
    const scenario = scenarioOf(workspace.settings, strategy);
    const run = join(directory, runId(scenario, seed));
    const restart = flags.restart === true;
    const events = runScenario({ workspace, scenario, seed, directory: run, restart, signal });
    await showTraining(output, events, { strategy, seed });
    await visit(strategy, join(run, 'best'));
  }
}

async function write(
  directory: string | undefined,
  name: string,
  page: StudyPage,
  { output }: CommandContext,
): Promise<void> {
  if (directory === undefined) return;
  const { markdown, html, figures } = await writePage(directory, name, page);
  output.print(`Report: ${[markdown, html, ...figures].join(', ')}`);
}
