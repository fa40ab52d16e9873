import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Command, Option } from 'commander';
import { LabelSet } from '../../data/label-set.js';
import { splitWords } from '../../data/split-words.js';
import { PermafrostError } from '../../errors/error.js';
import { predictTags, tokenizerOf } from '../../evaluation/evaluate.js';
import { AGGREGATION_STRATEGIES } from '../../inference/entity.js';
import { Tagger } from '../../inference/tagger.js';
import { locateModel } from '../../model/locate-model.js';
import { TokenClassifier } from '../../model/token-classifier.js';
import { encodeDataset } from '../../text/encode.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { addEngineOptions, addJsonOption, engineOptionsOf } from '../options.js';
import { type Flags, wholeNumber } from '../schema-options.js';

/** Lines that go through the model at once. */
const BATCH_LINES = 32;
/** Where a word's tag is predicted, sentences are cut as in training. */
const TAGS_MAX_LENGTH = 128;

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
    .option('--max-length <n>', 'tokens that the model sees at once (tags: 128, entities: 512)', wholeNumber);
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
  const lines = text === undefined ? linesOf(source, context.signal) : single(text);
  const { directory } = await withDownloads(context, (hub) => locateModel(flags.model as string, hub));
  await (wantsEntities ? printEntities : printTags)({ ...flags, model: directory }, lines, context);
}

async function printEntities(
  flags: Flags,
  lines: AsyncIterable<string>,
  { output, signal }: CommandContext,
): Promise<void> {
  const { aggregation, rules, maxLength } = flags;
  const given = { aggregation, rules, maxLength };
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const tagger = await Tagger.load(flags.model as string, { ...engineOptionsOf(flags), ...chosen, signal });
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
  flags: Flags,
  lines: AsyncIterable<string>,
  { output, signal }: CommandContext,
): Promise<void> {
  const model = await TokenClassifier.load(flags.model as string, { ...engineOptionsOf(flags), signal });
  const maxLength = (flags.maxLength as number | undefined) ?? TAGS_MAX_LENGTH;
  try {
    for await (const batch of batchesOf(lines)) {
      signal.throwIfAborted();
      const sentences = batch.map(splitWords);
      const tags = await tagSentences(model, sentences, maxLength);
      for (const [index, words] of sentences.entries()) {
        output.print(`${words.map((word, position) => `${word}\t${tags[index]![position]}`).join('\n')}\n`);
        output.json({ type: 'prediction', text: batch[index], words, tags: tags[index] });
      }
    }
  } finally {
    await model.dispose();
  }
}

async function tagSentences(
  model: TokenClassifier,
  lines: readonly string[][],
  maxLength: number,
): Promise<string[][]> {
  // Encoding wants a tag for each word; which one does not matter to the prediction.
  const sentences = lines.map((words) => ({ words, tags: words.map(() => model.labels[0]!) }));
  const labels = new LabelSet(model.labels);
  return predictTags(model, encodeDataset(sentences, tokenizerOf(model), labels, { maxLength }));
}

async function* single(text: string): AsyncGenerator<string> {
  yield text;
}

async function* linesOf(source: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<string> {
  for await (const line of createInterface({ input: source, signal, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== '') yield line;
  }
  // An abort ends the lines; the loop above then ends as if the input had.
  signal.throwIfAborted();
}

/** @throws FILE_NOT_FOUND */
async function openInput(file: string): Promise<NodeJS.ReadableStream> {
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

async function* batchesOf(lines: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const line of lines) {
    batch.push(line);
    if (batch.length < BATCH_LINES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
