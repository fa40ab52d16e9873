import { join } from 'node:path';
import type { Command } from 'commander';
import { runPretraining } from '../../experiment/pretraining.js';
import {
  parsePretrainingOptions,
  pretrainingGroups,
  pretrainingShape,
} from '../../experiment/pretraining-options.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { showPretrainingDryRun } from '../dry-run.js';
import { addDryRunOption, addTrainingOptions, outOption } from '../options.js';
import { showTraining } from '../progress/show.js';
import { distributedOption, ownRank } from '../ranks.js';
import { checkedOptions, type Flags, optionsOf } from '../schema-options.js';

const DEFAULT_DIRECTORY = join('out', 'pretrain');

const ownShape = { distributed: distributedOption, out: outOption(DEFAULT_DIRECTORY) };

export function addPretrainCommand(program: Command, run: Runner): void {
  const command = program
    .command('pretrain')
    .description(
      'teach a model to predict hidden words of plain text (masked language modelling); stopped, the same command goes on',
    );
  addExamples(command, {
    'a small model of own text, from nothing':
      'permafrost pretrain --text corpus.txt --shape mini --out out/base',
    'go on with a model on text of another field':
      'permafrost pretrain --model ./bert-base --text field.txt --epochs 1 --learning-rate 5e-5',
  });
  addDryRunOption(addTrainingOptions(command, ownShape, pretrainingGroups)).action(run(pretrain));
}

async function pretrain(given: Flags, outer: CommandContext): Promise<void> {
  const { out: directory = DEFAULT_DIRECTORY, ...own } = checkedOptions(ownShape, given, 'pretrain');
  const { distributed, context, flags } = ownRank(own.distributed, given, outer);
  const { output, signal } = context;
  const options = optionsOf(pretrainingShape, flags);
  const restart = flags.restart === true;
  if (flags.dryRun === true) return showPretrainingDryRun(options, { directory, restart }, context);
  const events = runPretraining({ options, directory, distributed, restart, signal });
  const { seed = 42 } = parsePretrainingOptions(options);
  const record = await showTraining(output, events, { strategy: 'pretrain', seed });
  const [model, file] = [join(directory, 'best'), join(directory, 'record.json')];
  output.print(
    `Validation loss ${record.bestLoss.toFixed(4)}, perplexity ${record.bestPerplexity.toFixed(2)} ` +
      `(epoch ${record.bestEpoch} of ${record.epochs.length}); ${record.tokens.toLocaleString('en')} tokens, ` +
      `${Math.round(record.tokensPerSecond).toLocaleString('en')} a second`,
  );
  output.print(`Model: ${model}\nRecord: ${file}`);
  output.json({ type: 'record', file, model, record });
}
