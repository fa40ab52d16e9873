import { join } from 'node:path';
import type { Command } from 'commander';
import { runScenario } from '../../experiment/run.js';
import { runId, scenarioOf } from '../../experiment/scenario.js';
import { FREEZING_NOTATIONS, parseFreezing } from '../../freezing/schedule-notation.js';
import { parseRepo } from '../../hub/repo.js';
import { probe } from '../../training/directory.js';
import type { CommandContext, Runner } from '../context.js';
import { metricsText } from '../metrics-text.js';
import { workspaceOf } from '../open-workspace.js';
import { addExperimentOptions, addOutputOptions } from '../options.js';
import { showTraining } from '../progress/show.js';
import { type Flags, wholeNumber } from '../schema-options.js';
import { writeCard } from '../write-card.js';

export function addTrainCommand(program: Command, run: Runner): void {
  const command = program
    .command('train')
    .description('fine-tune one model, keeping its best weights; stopped, the same command goes on')
    .option('--freeze <strategy>', FREEZING_NOTATIONS.map(({ form }) => form).join(', '), 'full')
    .option('--seed <n>', 'fixes initial weights, order and dropout', wholeNumber, 42)
    .option('--language <code>', 'language of the data, for the model card')
    .option(
      '--base-model <name>',
      'model of the Hub that --model is, or descends from, for the model card (default: the one that it names)',
    )
    .option('--license <id>', "licence of the weights, for the model card, in the Hub's spelling");
  addOutputOptions(command, 'out/<run>');
  addExperimentOptions(command).action(run(train));
}

async function train(flags: Flags, context: CommandContext): Promise<void> {
  const { output, args, signal } = context;
  if (flags.baseModel !== undefined) parseRepo(flags.baseModel as string, 'model');
  // Before data are fetched and read, which can take long.
  if (flags.out !== undefined) await probe(flags.out as string);
  const workspace = await workspaceOf(flags, context);
  const freezing = parseFreezing(flags.freeze as string);
  freezing.start(workspace.numLayers);
  const scenario = scenarioOf(workspace.settings, freezing.notation);
  const seed = flags.seed as number;
  const directory = (flags.out as string | undefined) ?? join('out', runId(scenario, seed));
  const [model, file] = [join(directory, 'best'), join(directory, 'record.json')];
  const events = runScenario({
    ...{ workspace, scenario, seed, directory, restart: flags.restart === true, signal },
    complete: (record) => writeCard(directory, record, args, flags),
  });
  const record = await showTraining(output, events, { strategy: scenario.strategy, seed });
  const best = record.epochs.find(({ epoch }) => epoch === record.bestEpoch)!;
  output.print(metricsText(record.test === null ? 'validation' : 'test', record.test ?? best.validation));
  output.print(`Model: ${model}\nRecord: ${file}`);
  output.json({ type: 'record', file, model, record });
}
