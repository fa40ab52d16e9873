import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { sentenceBlocks } from '../../data/read-sentences.js';
import { type ReadOptions, readingShape } from '../../data/reader-options.js';
import { ReadingNotes } from '../../data/reading-notes.js';
import type { Sentence } from '../../data/sentence.js';
import { WRITTEN_FORMS, type WrittenForm, writeSentences } from '../../data/write-sentences.js';
import { PermafrostError } from '../../errors/error.js';
import { filesOf } from '../../experiment/dataset-source.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { sayNotes } from '../open-workspace.js';
import { addJsonOption } from '../options.js';
import { addShape, collect, type Flags, optionsOf } from '../schema-options.js';

export function addConvertCommand(program: Command, run: Runner): void {
  const command = program
    .command('convert')
    .description('write annotated sentences in another form: columns, JSON lines, or text with spans')
    .requiredOption(
      '--data <file>',
      'sentences in any of the forms of docs/data.md; again for more files',
      collect,
    )
    .addOption(
      new Option('--to <form>', 'columns (conll), words and tags (jsonl), or text and spans (spans)')
        .choices(WRITTEN_FORMS)
        .makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'file that is written, as a whole at the end');
  addExamples(command, {
    'columns to text with spans': 'permafrost convert --data train.conll --to spans --out train.jsonl',
  });
  addJsonOption(addShape(command, readingShape, 'How the data are read')).action(run(convert));
}

async function convert(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const [to, out] = [flags.to as WrittenForm, flags.out as string];
  const files = filesOf(flags.data as string[], 'data');
  if (files.some((file) => resolve(file) === resolve(out))) {
    throw new PermafrostError('INVALID_OPTION', `\`out\`: ${out} is what is read. Name another file.`, {
      option: 'out',
    });
  }
  const notes = new ReadingNotes();
  const written = await writeSentences(
    out,
    blocksOf(files, optionsOf(readingShape, flags), notes, signal),
    to,
  );
  sayNotes(output, notes);
  const { sentences, words, entities } = written;
  output.print(`${out}: ${sentences} sentences, ${words} words, ${entities} entities`);
  output.json({ type: 'converted', file: out, form: to, ...written });
}

async function* blocksOf(
  files: readonly string[],
  options: ReadOptions,
  notes: ReadingNotes,
  signal: AbortSignal,
): AsyncGenerator<readonly Sentence[]> {
  for (const file of files) {
    for await (const block of sentenceBlocks(file, options, { notes })) {
      signal.throwIfAborted();
      yield block;
    }
  }
}
