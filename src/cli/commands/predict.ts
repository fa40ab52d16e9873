import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { LabelSet } from '../../data/label-set.js';
import { predictTags, tokenizerOf } from '../../evaluation/evaluate.js';
import { TokenClassifier } from '../../model/token-classifier.js';
import { encodeDataset } from '../../text/encode.js';
import type { CommandContext, Runner } from '../context.js';
import { addEngineOptions, addJsonOption, engineOptionsOf, type Flags, wholeNumber } from '../options.js';
import { splitWords } from '../split-words.js';

/** Lines that go through the model at once. */
const BATCH_LINES = 32;

export function addPredictCommand(program: Command, run: Runner): void {
  const command = program
    .command('predict')
    .description('tag text from standard input, one sentence a line')
    .requiredOption('--model <dir>', 'Hugging Face model directory with a token classification head')
    .option('--max-length <n>', 'longest example in tokens', wholeNumber, 128);
  addJsonOption(addEngineOptions(command)).action(run(predict));
}

async function predict(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const model = await TokenClassifier.load(flags.model as string, { ...engineOptionsOf(flags), signal });
  try {
    for await (const lines of batchesOfLines(process.stdin, signal)) {
      signal.throwIfAborted();
      const sentences = lines.map(splitWords);
      const tags = await tagSentences(model, sentences, flags.maxLength as number);
      for (const [index, words] of sentences.entries()) {
        output.print(`${words.map((word, position) => `${word}\t${tags[index]![position]}`).join('\n')}\n`);
        output.json({ type: 'prediction', text: lines[index], words, tags: tags[index] });
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

async function* batchesOfLines(input: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<string[]> {
  let lines: string[] = [];
  for await (const line of createInterface({ input, signal, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === '') continue;
    lines.push(line);
    if (lines.length < BATCH_LINES) continue;
    yield lines;
    lines = [];
  }
  // An abort ends the lines; the loop above then ends as if the input had.
  signal.throwIfAborted();
  if (lines.length > 0) yield lines;
}
