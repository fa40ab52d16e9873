import type { Command } from 'commander';
import { readSentences } from '../../data/read-sentences.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { TokenClassifier } from '../../model/token-classifier.js';
import type { CommandContext, Runner } from '../context.js';
import { metricsText } from '../metrics-text.js';
import { addEngineOptions, addJsonOption, engineOptionsOf, type Flags, wholeNumber } from '../options.js';

export function addEvaluateCommand(program: Command, run: Runner): void {
  const command = program
    .command('evaluate')
    .description('score a fine-tuned model on annotated sentences')
    .requiredOption('--model <dir>', 'Hugging Face model directory with a token classification head')
    .requiredOption('--data <file>', 'sentences with gold tags (CoNLL columns or JSON lines)')
    .option('--token-column <n>', 'column of the word, from 0', wholeNumber)
    .option('--tag-column <n>', 'column of the tag, from 0', wholeNumber)
    .option('--max-length <n>', 'longest example in tokens', wholeNumber, 128);
  addJsonOption(addEngineOptions(command)).action(run(evaluateModel));
}

async function evaluateModel(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const file = flags.data as string;
  const sentences = await readSentences(file, {
    ...(flags.tokenColumn !== undefined && { tokenColumn: flags.tokenColumn as number }),
    ...(flags.tagColumn !== undefined && { tagColumn: flags.tagColumn as number }),
  });
  const model = await TokenClassifier.load(flags.model as string, { ...engineOptionsOf(flags), signal });
  try {
    const { metrics, seconds } = await evaluate({
      model,
      sentences,
      maxLength: flags.maxLength as number,
      signal,
    });
    output.print(metricsText(file, metrics));
    output.print(`${seconds.toFixed(1)} s`);
    output.json({ type: 'evaluation', file, metrics, seconds });
  } finally {
    await model.dispose();
  }
}
