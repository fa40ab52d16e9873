import { open } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { type Command, Option } from 'commander';
import { lineBlocks } from '../../data/read-lines.js';
import { splitWords } from '../../data/split-words.js';
import { PermafrostError } from '../../errors/error.js';
import { type Decoding, decodingShape } from '../../evaluation/decoding.js';
import { AGGREGATION_STRATEGIES } from '../../inference/entity.js';
import { type TaggedWords, tagWords } from '../../inference/tag-words.js';
import { Tagger } from '../../inference/tagger.js';
import { locateModel } from '../../model/locate-model.js';
import type { TokenClassifier } from '../../model/token-classifier.js';
import { loadTrainedModel } from '../../model/trained-model.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { addEngineOptions, addJsonOption, engineOptionsOf } from '../options.js';
import { addShape, type Flags, wholeNumber } from '../schema-options.js';
import { unusedText } from '../unused-text.js';

/** Lines that go through the model at once. */
const BATCH_LINES = 32;
/** Lines of a document that are context to each other. */
const DOCUMENT_LINES = 1024;
/** Words that a note names. */
const NAMED_WORDS = 3;
/** Characters of a word that a note shows. */
const SHOWN_CHARACTERS = 20;

export function addPredictCommand(program: Command, run: Runner): void {
  const command = program
    .command('predict')
    .description(
      'tag text, one sentence or paragraph a line: a tag for each word, or with --aggregation entities',
    )
    .requiredOption('--model <model>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .option('--text <text>', 'what to tag, as entities (default: standard input)')
    .option('--input <file>', 'text file to tag (default: standard input)')
    .addOption(
      new Option('--aggregation <strategy>', 'entities with their places in the line').choices(
        AGGREGATION_STRATEGIES,
      ),
    )
    .addOption(
      new Option('--rules <rules>', 'what is a word to an entity').choices(['whole-words', 'huggingface']),
    )
    .option(
      '--max-length <n>',
      'tokens that the model sees at once; longer lines are read in windows (default: as the model was trained)',
      wholeNumber,
    );
  addShape(command, decodingShape);
  addJsonOption(addEngineOptions(command)).action(run(predict));
}

async function predict(flags: Flags, context: CommandContext): Promise<void> {
  const { text, input, aggregation, rules } = flags as Record<string, string | undefined>;
  if (text !== undefined && input !== undefined) {
    throw new PermafrostError('INVALID_OPTION', '--text and --input: expected one of them, got both.', {
      option: 'text',
    });
  }
  const wantsEntities = text !== undefined || aggregation !== undefined || rules !== undefined;
  const source = input === undefined ? process.stdin : await openInput(input);
  const lines =
    text === undefined ? linesOf(source, input ?? 'standard input', context.signal) : single(text);
  const { directory } = await withDownloads(context, (hub) => locateModel(flags.model as string, hub));
  const { signal, output } = context;
  const model = await loadTrainedModel(directory, { ...engineOptionsOf(flags), signal });
  try {
    const left = unusedText(model.loadReport.unused);
    if (left !== null) output.note(left);
    await (wantsEntities ? printEntities : printTags)(model, flags, lines, context);
  } finally {
    await model.dispose();
  }
}

async function printEntities(
  model: TokenClassifier,
  flags: Flags,
  lines: AsyncIterable<string>,
  { output, signal }: CommandContext,
): Promise<void> {
  const { aggregation, rules, decoding, maxLength } = flags;
  const given = { aggregation, rules, decoding, maxLength };
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const tagger = Tagger.of(model, chosen);
  try {
    const underWay: string[] = [];
    const remembered = async function* () {
      for await (const line of lines) {
        underWay.push(line);
        yield line;
      }
    };
    for await (const entities of tagger.tag(remembered(), { signal })) {
      const text = underWay.shift();
      const rows = entities.map((entity) =>
        [entity.type, entity.score.toFixed(4), entity.start, entity.end, entity.text].join('\t'),
      );
      output.print(`${[text, ...rows].join('\n')}\n`);
      output.json({ type: 'entities', text, entities });
    }
  } finally {
    await tagger.dispose();
  }
}

async function printTags(
  model: TokenClassifier,
  flags: Flags,
  lines: AsyncIterable<string>,
  { output, signal }: CommandContext,
): Promise<void> {
  const options = {
    ...(flags.maxLength !== undefined && { maxLength: flags.maxLength as number }),
    ...(flags.decoding !== undefined && { decoding: flags.decoding as Decoding }),
    signal,
  };
  let line = 0;
  // Neighbouring lines are context to a model that was trained with it: they come together up to an empty line.
  const isWhole = (model.trainedWith?.contextTokens ?? 0) > 0 ? isDocument : isFull;
  for await (const batch of batchesOf(lines, isWhole)) {
    const sentences = batch.map(splitWords);
    for (const [index, tagged] of (await tagWords(model, sentences, options)).entries()) {
      const [text, words, { tags }] = [batch[index], sentences[index]!, tagged];
      line++;
      // A blank line ends each line's words, so that a line without any is a blank line, too.
      output.print(words.map((word, position) => `${word}\t${tags[position]}\n`).join(''));
      const notes = notesOf(words, tagged);
      output.json({ type: 'prediction', text, words, tags, ...(notes.length > 0 && { notes }) });
      for (const { word, note } of notes.slice(0, NAMED_WORDS)) {
        output.note(`line ${line}, word ${word + 1} (${shown(words[word]!)}): ${note}`);
      }
      if (notes.length > NAMED_WORDS) {
        output.note(`line ${line}: the same of ${notes.length - NAMED_WORDS} more words`);
      }
    }
  }
}

/** What a tag does not tell: which words the model did not see as they are. */
function notesOf(words: readonly string[], { empty, cut }: TaggedWords): { word: number; note: string }[] {
  return [
    ...empty.map((word) => ({ word, note: 'the tokenizer leaves nothing of it, so its tag is O' })),
    ...cut.map((word) => ({
      word,
      note: `of its ${words[word]!.length} characters the model saw the first ones, which give its tag`,
    })),
  ].sort((a, b) => a.word - b.word);
}

function shown(word: string): string {
  const characters = Array.from(word);
  const cut = characters.length > SHOWN_CHARACTERS;
  return JSON.stringify(cut ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : word);
}

async function* single(text: string): AsyncGenerator<string> {
  yield text;
}

/** @throws DATA_FORMAT where the bytes are not UTF-8 */
async function* linesOf(source: Readable, name: string, signal: AbortSignal): AsyncGenerator<string> {
  try {
    for await (const { lines } of lineBlocks(addAbortSignal(signal, source), name, { allowNul: true })) {
      yield* lines;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** @throws FILE_NOT_FOUND */
async function openInput(file: string): Promise<Readable> {
  try {
    const handle = await open(file);
    if ((await handle.stat()).isFile()) return handle.createReadStream();
    await handle.close();
  } catch (cause) {
    const message = `--input: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code}). Name a text file.`;
    throw new PermafrostError('FILE_NOT_FOUND', message, { file }, { cause });
  }
  throw new PermafrostError('FILE_NOT_FOUND', `--input: ${file} is not a file. Name a text file.`, { file });
}

function isFull(batch: readonly string[]): boolean {
  return batch.length >= BATCH_LINES;
}

function isDocument(batch: readonly string[]): boolean {
  return batch.length >= DOCUMENT_LINES || (isFull(batch) && batch.at(-1)!.trim() === '');
}

async function* batchesOf(
  lines: AsyncIterable<string>,
  isWhole: (batch: readonly string[]) => boolean,
): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const line of lines) {
    batch.push(line);
    if (!isWhole(batch)) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
