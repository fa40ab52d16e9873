import { join } from 'node:path';
import type { Command } from 'commander';
import { type PretrainRecord, runPretraining } from '../../experiment/pretraining.js';
import { type PretrainingOptions, pretrainingOptionsSchema } from '../../experiment/pretraining-options.js';
import { SHAPES } from '../../experiment/shape.js';
import type { CommandContext, Runner } from '../context.js';
import { addEngineOptions, addJsonOption, type Flags, realNumber, wholeNumber } from '../options.js';
import { trainingProgress } from '../progress.js';

export function addPretrainCommand(program: Command, run: Runner): void {
  const command = program
    .command('pretrain')
    .description('teach a model to predict hidden words of plain text (masked language modelling)')
    .option('--text <files...>', 'plain text, a sentence or paragraph a line')
    .option('--data <files...>', 'annotated files, whose words alone are read')
    .option('--validation <file>', 'what the loss is measured on, a file as the others are')
    .option('--validation-share <x>', 'per cent held out without --validation (default: 5)', realNumber)
    .option('--token-column <n>', 'column of the word in annotated files, from 0', wholeNumber)
    .option('--model <dir>', 'Hugging Face model directory to go on from')
    .option('--stack <n>', 'begin with this many layers, which repeat those of --model', wholeNumber)
    .option(
      '--shape <shape>',
      `fresh random model (default: mini): ${Object.keys(SHAPES).join(', ')}, or layers=12,hidden=128,heads=4`,
    )
    .option('--vocab <file>', 'vocab.txt or tokenizer.json for --shape (default: learnt from the text)')
    .option('--vocab-size <n>', 'entries of a vocabulary that is learnt (default: 8000)', wholeNumber)
    .option('--min-frequency <n>', 'how often neighbours must come up to be joined (default: 2)', wholeNumber)
    .option('--cased', 'keep capital letters (default: lower-case, unless the tokenizer says otherwise)')
    .option('--freeze <strategy>', 'full, bottom-up:K, top-down:K, interleaved, only:… (default: full)')
    .option('--epochs <n>', 'passes over the text (default: 10)', wholeNumber)
    .option('--batch-tokens <n>', 'tokens a batch (default: 4096)', wholeNumber)
    .option('--gradient-accumulation <n>', 'batches an optimizer step (default: 1)', wholeNumber)
    .option('--max-length <n>', 'longest example in tokens (default: 128)', wholeNumber)
    .option('--mask-rate <x>', 'share of the tokens to predict (default: 0.15)', realNumber)
    .option('--whole-word', 'hide whole words instead of single tokens')
    .option('--learning-rate <x>', 'peak learning rate (default: 5e-4)', realNumber)
    .option('--warmup-ratio <x>', 'share of the steps over which it rises (default: 0.06)', realNumber)
    .option('--save-steps <n>', 'steps between two states within an epoch (default: 500)', wholeNumber)
    .option('--seed <n>', 'fixes initial weights, masks, order and dropout (default: 42)', wholeNumber)
    .option('--out <dir>', 'directory of record, best weights and state', join('out', 'pretrain'));
  for (const add of [addEngineOptions, addJsonOption]) add(command);
  command.action(run(pretrain));
}

async function pretrain(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const directory = flags.out as string;
  const progress = trainingProgress(output, 'pretrain', (flags.seed as number | undefined) ?? 42);
  let record: PretrainRecord;
  try {
    const events = runPretraining({ options: optionsOf(flags), directory, signal });
    let next = await events.next();
    for (; !next.done; next = await events.next()) progress.on(next.value);
    record = next.value;
  } finally {
    progress.stop();
  }
  const [model, file] = [join(directory, 'best'), join(directory, 'record.json')];
  output.print(
    `Validation loss ${record.bestLoss.toFixed(4)}, perplexity ${record.bestPerplexity.toFixed(2)} ` +
      `(epoch ${record.bestEpoch} of ${record.epochs.length}); ${record.tokens.toLocaleString('en')} tokens, ` +
      `${Math.round(record.tokensPerSecond).toLocaleString('en')} a second`,
  );
  output.print(`Model: ${model}\nRecord: ${file}`);
  output.json({ type: 'record', file, model, record });
}

function optionsOf(flags: Flags): PretrainingOptions {
  const names = Object.keys(pretrainingOptionsSchema.shape).filter((name) => flags[name] !== undefined);
  return {
    ...Object.fromEntries(names.map((name) => [name, flags[name]])),
    ...(flags.cased === true && { lowercase: false }),
  };
}
