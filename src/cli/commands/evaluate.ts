import { type Command, Option } from 'commander';
import { downloadDataset } from '../../data/hub/download-dataset.js';
import { SPLITS, type SplitName } from '../../data/hub/find-files.js';
import { mapTypes, parseTypeMap } from '../../data/map-types.js';
import { parseNamedFiles } from '../../data/named-files.js';
import { readSentences, sentenceBlocks } from '../../data/read-sentences.js';
import { type ReadOptions, readingShape } from '../../data/reader-options.js';
import { ReadingNotes } from '../../data/reading-notes.js';
import type { Sentence } from '../../data/sentence.js';
import { PermafrostError } from '../../errors/error.js';
import { decodingShape } from '../../evaluation/decoding.js';
import { encodingShape } from '../../evaluation/encoding.js';
import { evaluateBlock, judgingShape, warningsOf } from '../../evaluation/evaluate.js';
import { EvaluationSum } from '../../evaluation/evaluation-sum.js';
import { columnPredictions, firstLine } from '../../evaluation/prediction-columns.js';
import {
  judged,
  type Prediction,
  predictionStream,
  predictionsOf,
  writePredictions,
} from '../../evaluation/predictions.js';
import { workspaceShape } from '../../experiment/workspace-options.js';
import type { HubOptions } from '../../hub/snapshot.js';
import { locateModel } from '../../model/locate-model.js';
import type { TokenClassifier } from '../../model/token-classifier.js';
import { loadTrainedModel } from '../../model/trained-model.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { evaluationText } from '../metrics-text.js';
import { sayNotes } from '../open-workspace.js';
import { addInferenceOptions, addJsonOption, inferenceOptionsOf } from '../options.js';
import { addShape, collect, type Flags, optionsOf, wholeNumber } from '../schema-options.js';
import { unusedText } from '../unused-text.js';

const mapDescription = workspaceShape.map.description!;
/** Sentences that are in memory at once. */
const BLOCK_SENTENCES = 16_384;

export function addEvaluateCommand(program: Command, run: Runner): void {
  const command = program
    .command('evaluate')
    .description("score a fine-tuned model on annotated sentences, or any system's predictions")
    .optionsGroup('What is scored:')
    .option('--model <model>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .option(
      '--data <file>',
      'sentences with gold tags in any of the forms of docs/data.md; again as name=file for further sets',
      collect,
    )
    .option('--map <type=type>', mapDescription, collect)
    .option('--dataset <name>', 'dataset of the Hugging Face Hub instead: a short name or owner/name')
    .option('--dataset-config <name>', 'part of --dataset, such as a language')
    .addOption(new Option('--dataset-split <split>', 'split of --dataset').choices(SPLITS).default('test'))
    .option('--max-length <n>', 'longest example in tokens (default: as the model was trained)', wholeNumber)
    .option(
      '--from <file>',
      'predictions to score in place of a model: JSON lines with words, gold and predicted, or columns as conlleval takes them',
    )
    .option(
      '--predictions <file>',
      'writes gold and predicted tags of every sentence and what became of its entities, one JSON object a line',
    );
  addExamples(command, {
    'a model on a test set': 'permafrost evaluate --model out/first/best --data test.conll',
    'the answers of another system': 'permafrost evaluate --from answers.jsonl --json',
  });
  addShape(command, readingShape, 'How the data are read');
  addShape(command, { ...encodingShape, ...decodingShape }, 'How words are tagged');
  addShape(command, judgingShape, 'How answers are scored');
  addJsonOption(addInferenceOptions(command)).action(run(evaluateAny));
}

async function evaluateAny(flags: Flags, context: CommandContext): Promise<void> {
  if ((flags.model === undefined) === (flags.from === undefined)) {
    const got = flags.model === undefined ? 'none' : 'both';
    throw invalid('model', `--model DIR or --from FILE: expected one of them, got ${got}.`);
  }
  if (flags.from !== undefined) await evaluatePredictions(flags, context);
  else await evaluateModel(flags, context);
}

/** Scores what some system has predicted. */
async function evaluatePredictions(flags: Flags, { output }: CommandContext): Promise<void> {
  const file = flags.from as string;
  if (flags.data !== undefined || flags.dataset !== undefined) {
    throw invalid('from', '--from: the file holds gold tags, too. Leave out --data and --dataset.');
  }
  const sum = new EvaluationSum();
  const answers = async function* () {
    for await (const prediction of await predictionsIn(file)) {
      yield judged(prediction, sum.add(prediction.gold, prediction.predicted));
    }
  };
  await keep(answers(), flags);
  const { metrics, errors } = sum.report();
  if (metrics.counts.sentences === 0) {
    const message = `${file}: expected predictions, got an empty file.`;
    throw new PermafrostError('DATA_FORMAT', message, { file });
  }
  output.print(evaluationText(file, metrics, errors));
  output.json({ type: 'evaluation', file, metrics, errors });
}

async function evaluateModel(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const { directory, sets } = await withDownloads(context, async (hub) => ({
    ...(await locateModel(flags.model as string, hub)),
    sets: await goldSets(flags, hub),
  }));
  const model = await loadTrainedModel(directory, { ...inferenceOptionsOf(flags), signal });
  try {
    const left = unusedText(model.loadReport.unused);
    if (left !== null) output.note(left);
    const answers = async function* () {
      for (const set of sets) yield* evaluateSet(model, set, flags, context);
    };
    await keep(answers(), flags);
  } finally {
    await model.dispose();
  }
}

/** The answers of a model on one set, whose scores are told behind the last one. */
async function* evaluateSet(
  model: TokenClassifier,
  { name, file, blocks, notes }: GoldSet,
  flags: Flags,
  { output, signal }: CommandContext,
): AsyncGenerator<Prediction> {
  const started = performance.now();
  const sum = new EvaluationSum();
  let first = 0;
  for await (const sentences of blocks) {
    const options = {
      model,
      sentences,
      ...(flags.maxLength !== undefined && { maxLength: flags.maxLength as number }),
      ...optionsOf({ ...encodingShape, ...decodingShape, ...judgingShape }, flags),
      signal,
    };
    const { predicted, scores, pairs } = await evaluateBlock(options, sum);
    const told = predictionsOf(file, sentences, predicted, { ...(scores && { scores }), first });
    first += sentences.length;
    let index = 0;
    for (const one of told) yield judged(one, pairs[index++]!);
  }
  sayNotes(output, notes);
  const seconds = (performance.now() - started) / 1000;
  const { metrics, errors, unknown, loss } = sum.report();
  output.print(evaluationText(name === null ? file : `${name}, ${file}`, metrics, errors, unknown));
  const lossText = loss === null ? '' : `loss ${loss.toFixed(4)}, `;
  output.print(`${lossText}${seconds.toFixed(1)} s on ${model.device}`);
  const warnings = warningsOf(metrics);
  for (const warning of warnings) output.note(warning);
  const named = name === null ? {} : { name };
  const { device } = model;
  output.json({
    type: 'evaluation',
    ...named,
    file,
    metrics,
    errors,
    unknown,
    loss,
    warnings,
    seconds,
    device,
  });
}

/** Predictions in JSON lines or in columns. */
async function predictionsIn(file: string): Promise<AsyncIterable<Prediction>> {
  const line = await firstLine(file);
  return line === null || line.trimStart().startsWith('{')
    ? predictionStream(file)
    : columnPredictions(file, line);
}

/** Writes the answers where a file is named for them; takes them in any case. */
async function keep(answers: AsyncGenerator<Prediction>, { predictions }: Flags): Promise<void> {
  if (predictions !== undefined) return writePredictions(predictions as string, answers);
  for await (const _ of answers);
}

/** Sentences with gold tags. */
interface GoldSet {
  name: string | null;
  file: string;
  blocks: AsyncIterable<readonly Sentence[]> | Iterable<readonly Sentence[]>;
  /** What reading changes or leaves out. */
  notes: ReadingNotes;
}

async function goldSets(flags: Flags, hub: HubOptions): Promise<GoldSet[]> {
  const { data, dataset, map } = flags as { data?: string[]; dataset?: string; map?: string[] };
  if ((data === undefined) === (dataset === undefined)) {
    const got = data === undefined ? 'none' : 'both';
    throw invalid('data', `--data FILE or --dataset NAME: expected one of them, got ${got}.`);
  }
  const reading: ReadOptions = optionsOf(readingShape, flags);
  const files = data === undefined ? [] : parseNamedFiles(data, 'data');
  // A map is checked against all types that there are, before anything is computed.
  if (map === undefined && data !== undefined) {
    return files.map((one) => {
      const notes = new ReadingNotes();
      return { ...one, notes, blocks: regrouped(sentenceBlocks(one.file, reading, { notes })) };
    });
  }
  const read = async ({ name, file }: { name: string | null; file: string }) => {
    const notes = new ReadingNotes();
    return { name, file, notes, sentences: await readSentences(file, reading, { notes }) };
  };
  const sets =
    data === undefined
      ? [await datasetSentences(dataset!, flags, reading, hub)]
      : await Promise.all(files.map(read));
  const lists = sets.map(({ sentences }) => sentences);
  const mapped = map === undefined ? lists : mapTypes(lists, parseTypeMap(map));
  return sets.map(({ name, file, notes }, index) => ({ name, file, notes, blocks: cut(mapped[index]!) }));
}

async function datasetSentences(
  dataset: string,
  flags: Flags,
  { tokenColumn, tagColumn }: ReadOptions,
  hub: HubOptions,
): Promise<{ name: null; file: string; sentences: readonly Sentence[]; notes: ReadingNotes }> {
  const split = flags.datasetSplit as SplitName;
  const { name, splits } = await downloadDataset(dataset, {
    ...hub,
    ...(flags.datasetConfig !== undefined && { config: flags.datasetConfig as string }),
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
  });
  const sentences = splits[split];
  if (sentences !== null) {
    return { name: null, file: `${name}, ${split}`, sentences, notes: new ReadingNotes() };
  }
  const given = SPLITS.filter((other) => splits[other] !== null).join(', ');
  throw invalid(
    'datasetSplit',
    `--dataset-split ${split}: dataset ${name} has only ${given}. Name one of these.`,
  );
}

/** Sentences in blocks of one size, whatever those of the reader are: what is computed together does not depend on it. */
async function* regrouped(blocks: AsyncIterable<readonly Sentence[]>): AsyncGenerator<Sentence[]> {
  let open: Sentence[] = [];
  for await (const block of blocks) {
    for (const sentence of block) {
      if (open.length === BLOCK_SENTENCES) {
        yield open;
        open = [];
      }
      open.push(sentence);
    }
  }
  if (open.length > 0) yield open;
}

function* cut(sentences: readonly Sentence[]): Generator<readonly Sentence[]> {
  for (let at = 0; at < sentences.length; at += BLOCK_SENTENCES)
    yield sentences.slice(at, at + BLOCK_SENTENCES);
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
