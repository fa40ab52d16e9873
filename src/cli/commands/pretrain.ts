import { join } from 'node:path';
import type { Command } from 'commander';
import { runPretraining } from '../../experiment/pretraining.js';
import { pretrainingShape } from '../../experiment/pretraining-options.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption, addOutputOptions } from '../options.js';
import { showTraining } from '../progress/show.js';
import { addShape, type Flags, optionsOf } from '../schema-options.js';

const DEFAULT_DIRECTORY = join('out', 'pretrain');

export function addPretrainCommand(program: Command, run: Runner): void {
  const command = program
    .command('pretrain')
    .description(
      'teach a model to predict hidden words of plain text (masked language modelling); stopped, the same command goes on',
    );
  addOutputOptions(command, DEFAULT_DIRECTORY);
  addJsonOption(addShape(command, pretrainingShape)).action(run(pretrain));
}

async function pretrain(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const directory = (flags.out as string | undefined) ?? DEFAULT_DIRECTORY;
  const options = optionsOf(pretrainingShape, flags);
  const events = runPretraining({ options, directory, restart: flags.restart === true, signal });
  const seed = (flags.seed as number | undefined) ?? 42;
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
