import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readSentences } from '../data/read-sentences.js';
import { readingShape } from '../data/reader-options.js';
import { ReadingNotes } from '../data/reading-notes.js';
import type { Sentence } from '../data/sentence.js';
import { generateCorpus } from '../data/synthetic/generate.js';
import type { ErrorAnalysisOptions } from '../evaluation/error-analysis.js';
import type { FoundRun } from '../experiment/found-runs.js';
import { PRESETS } from '../experiment/presets/by-name.js';
import { locateTokenizer } from '../hub/tokenizer-files.js';
import { Tokenizer } from '../text/tokenizer.js';
import type { CommandContext } from './context.js';
import { withDownloads } from './download-progress.js';
import { sayNotes } from './open-workspace.js';
import { addShape, type Flags, optionsOf } from './schema-options.js';

/** Options that say what errors are looked at by. */
export function addErrorOptions(command: Command): Command {
  command
    .option('--train <file>', 'training sentences, for what the model has seen (default: those of a preset)')
    .option('--tokenizer <tokenizer>', "directory, file, or model of the Hub (default: the run's)");
  return addShape(command, readingShape, 'How --train is read');
}

/** What the errors are looked at by, as far as it is to be had; a note says what is not. */
export async function errorOptions(
  flags: Flags,
  run: FoundRun,
  context: CommandContext,
): Promise<ErrorAnalysisOptions> {
  const { output } = context;
  const train = await trainingSentences(flags, run, context);
  if (train === null)
    output.note('--train FILE: without the training sentences nothing is said of what the model has seen.');
  const tokenizer = await tokenizerOf(flags, run, context);
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
