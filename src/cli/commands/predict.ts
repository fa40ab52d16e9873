import { type Command, Option } from 'commander';
import { readingShape } from '../../data/reader-options.js';
import type { Sentence } from '../../data/sentence.js';
import { splitWords } from '../../data/split-words.js';
import { PermafrostError } from '../../errors/error.js';
import { decodingShape } from '../../evaluation/decoding.js';
import { AGGREGATION_STRATEGIES } from '../../inference/entity.js';
import { mapStream } from '../../inference/map-stream.js';
import { answerShape, parseAnswerOptions, wordAnswerShape } from '../../inference/options.js';
import { type TagWordsOptions, tagWords } from '../../inference/tag-words.js';
import { Tagger } from '../../inference/tagger.js';
import { locateModel } from '../../model/locate-model.js';
import type { TokenClassifier } from '../../model/token-classifier.js';
import { loadTrainedModel } from '../../model/trained-model.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { addInferenceOptions, addJsonOption, inferenceOptionsOf } from '../options.js';
import { addShape, type Flags, optionsOf, wholeNumber } from '../schema-options.js';
import { type Answer, entitiesAnswer, sentenceAnswer, tagsAnswer, writeAnswers } from '../tagging-answers.js';
import { groupsOf, linesOf, openText, untaggedSentences } from '../tagging-input.js';
import { unusedText } from '../unused-text.js';

/** Lines that go through the model at once. */
const BATCH_LINES = 32;
/** Sentences of a file that do. */
const BATCH_SENTENCES = 256;
/** Lines of a document that are context to each other. */
const DOCUMENT_LINES = 1024;
/** Groups that are under way: one is cut into tokens while the one before it is computed. */
const GROUPS_AHEAD = 2;

export function addPredictCommand(program: Command, run: Runner): void {
  const command = program
    .command('predict')
    .description(
      'tag text, one sentence or paragraph a line, or the sentences of a file of data: a tag for each word, or with ' +
        '--aggregation entities',
    )
    .optionsGroup('What is tagged:')
    .requiredOption('--model <model>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .option('--text <text>', 'what to tag, as entities (default: standard input)')
    .option('--input <file>', 'text file to tag (default: standard input)')
    .option('--data <file>', 'sentences or texts in any of the forms of docs/data.md, annotated or not')
    .option('--out <file>', 'where the answers go, as a whole (default: standard output)')
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
  addExamples(command, {
    'entities of a text': 'permafrost predict --model out/first/best --text "Aya met Omar in Paris."',
    'a file, a sentence a line, for a program':
      'permafrost predict --model out/first/best --input text.txt --json',
  });
  addShape(command, { ...answerShape, ...wordAnswerShape, ...decodingShape }, 'What is answered');
  addShape(command, readingShape, 'How --data is read');
  addJsonOption(addInferenceOptions(command)).action(run(predict));
}

async function predict(flags: Flags, context: CommandContext): Promise<void> {
  const answersOf = await answering(flags, context);
  const { directory } = await withDownloads(context, (hub) => locateModel(flags.model as string, hub));
  const { signal, output } = context;
  const model = await loadTrainedModel(directory, { ...inferenceOptionsOf(flags), signal });
  try {
    const left = unusedText(model.loadReport.unused);
    if (left !== null) output.note(left);
    await writeAnswers(answersOf(model), flags.out as string | undefined, context);
  } finally {
    await model.dispose();
  }
}

/** What the flags ask for, as a function of the model. @throws INVALID_OPTION, FILE_NOT_FOUND */
async function answering(
  flags: Flags,
  { output, signal }: CommandContext,
): Promise<(model: TokenClassifier) => AsyncIterable<Answer>> {
  const { text, input, data, aggregation, rules } = flags as Record<string, string | undefined>;
  const sources = Object.entries({ text, input, data }).filter(([, value]) => value !== undefined);
  if (sources.length > 1) {
    const names = sources.map(([name]) => `--${name}`).join(' and ');
    throw invalid('text', `${names}: expected one of them, got ${sources.length === 2 ? 'both' : 'all'}.`);
  }
  const { maxLength } = flags;
  const given = {
    ...(maxLength !== undefined && { maxLength: maxLength as number }),
    ...optionsOf({ ...answerShape, ...decodingShape }, flags),
  };
  const words = optionsOf(wordAnswerShape, flags);
  // Before anything is read or computed.
  parseAnswerOptions({ ...optionsOf(answerShape, flags), ...words }, 'predict');
  if (data !== undefined) {
    if (rules !== undefined) {
      throw invalid(
        'rules',
        '--rules: a file of data has words of its own. Leave the option out with --data.',
      );
    }
    const sentences = untaggedSentences(data, optionsOf(readingShape, flags), output);
    const chosen = { aggregation: aggregation ?? 'first', ...given, ...words, signal } as TagWordsOptions;
    return (model) => ofSentences(model, sentences, chosen, aggregation === undefined ? 'tags' : 'entities');
  }
  requireData(flags);
  const isOfWords = Object.keys(words).length > 0;
  if (isOfWords && (aggregation !== undefined || rules !== undefined)) {
    const message = 'words have tags, and entities scores of their own. Leave out --aggregation and --rules.';
    throw invalid(Object.keys(words)[0]!, `--scores and --alternatives: ${message}`);
  }
  const source = input === undefined ? process.stdin : await openText(input);
  const lines = text === undefined ? linesOf(source, input ?? 'standard input', signal) : single(text);
  const wantsEntities =
    aggregation !== undefined || rules !== undefined || (text !== undefined && !isOfWords);
  if (!wantsEntities) return (model) => ofLines(model, lines, { ...given, ...words, signal });
  const chosen = { ...(aggregation && { aggregation }), ...(rules && { rules }), ...given };
  return (model) => ofTexts(model, lines, chosen, signal);
}

/** @throws INVALID_OPTION for an option that only a file of data has */
function requireData(flags: Flags): void {
  const [option] = Object.keys(optionsOf(readingShape, flags));
  if (option === undefined) return;
  throw invalid(option, `\`${option}\`: text has no columns or tags. Name a file of them with --data.`);
}

/** Entities of each text. */
async function* ofTexts(
  model: TokenClassifier,
  texts: AsyncIterable<string>,
  options: object,
  signal: AbortSignal,
): AsyncGenerator<Answer> {
  const tagger = Tagger.of(model, options);
  try {
    const underWay: string[] = [];
    const remembered = async function* () {
      for await (const text of texts) {
        underWay.push(text);
        yield text;
      }
    };
    for await (const entities of tagger.tag(remembered(), { signal })) {
      yield entitiesAnswer(underWay.shift()!, entities);
    }
  } finally {
    await tagger.dispose();
  }
}

/** Tags of the words of each line. */
async function* ofLines(
  model: TokenClassifier,
  lines: AsyncIterable<string>,
  options: TagWordsOptions,
): AsyncGenerator<Answer> {
  let line = 0;
  // Neighbouring lines are context to a model that was trained with it: they come together up to an empty line.
  for await (const group of groupsOf(lines, hasContext(model) ? isDocument : isFull)) {
    const sentences = group.map(splitWords);
    for (const [index, tagged] of (await tagWords(model, sentences, options)).entries()) {
      line++;
      yield tagsAnswer(group[index]!, sentences[index]!, tagged, line);
    }
  }
}

/** Entities, and what else is asked for, of each sentence of a file. */
async function* ofSentences(
  model: TokenClassifier,
  sentences: AsyncIterable<Sentence>,
  options: TagWordsOptions,
  form: 'tags' | 'entities',
): AsyncGenerator<Answer> {
  const most = hasContext(model) ? DOCUMENT_LINES : BATCH_SENTENCES;
  const groups = groupsOf(sentences, ({ length }) => length >= most);
  const tag = async (group: readonly Sentence[]) => {
    const { rows, at } = rowsOf(group);
    const tagged = await tagWords(model, rows, options);
    return group.map((sentence, index) => sentenceAnswer(sentence, tagged[at[index]!]!, form));
  };
  for await (const answers of mapStream(groups, tag, GROUPS_AHEAD, options.signal)) yield* answers;
}

/** The words of each sentence, with an empty row between documents, and the row of each sentence. */
function rowsOf(sentences: readonly Sentence[]): { rows: (readonly string[])[]; at: number[] } {
  const rows: (readonly string[])[] = [];
  const at = sentences.map(({ words, document }, index) => {
    if (index > 0 && document !== sentences[index - 1]!.document) rows.push([]);
    return rows.push(words) - 1;
  });
  return { rows, at };
}

function hasContext({ trainedWith }: TokenClassifier): boolean {
  return (trainedWith?.contextTokens ?? 0) > 0;
}

function isFull(group: readonly string[]): boolean {
  return group.length >= BATCH_LINES;
}

function isDocument(group: readonly string[]): boolean {
  return group.length >= DOCUMENT_LINES || (isFull(group) && group.at(-1)!.trim() === '');
}

async function* single(text: string): AsyncGenerator<string> {
  yield text;
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
