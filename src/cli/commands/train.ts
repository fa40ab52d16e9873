import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { runScenario } from '../../experiment/run.js';
import { portionShape, runId, scenarioOf } from '../../experiment/scenario.js';
import { parseFreezing } from '../../freezing/schedule-notation.js';
import { parseRepo } from '../../hub/repo.js';
import { probe } from '../../training/directory.js';
import { addExamples } from '../command-facts.js';
import { sayOtherSources } from '../configuration/configure.js';
import type { CommandContext, Runner } from '../context.js';
import { showDryRun } from '../dry-run.js';
import { metricsText } from '../metrics-text.js';
import { workspaceOf } from '../open-workspace.js';
import {
  addDryRunOption,
  addTrainingOptions,
  experimentGroups,
  freezeOption,
  outOption,
} from '../options.js';
import { showTraining } from '../progress/show.js';
import { distributedOption, ownRank } from '../ranks.js';
import { checkedOptions, type Flags } from '../schema-options.js';
import { writeCard } from '../write-card.js';

const trainShape = {
  freeze: freezeOption,
  seed: z.int().min(0).default(42).describe('fixes initial weights, order and dropout'),
  trainSize: portionShape.trainSize.describe('training sentences to take, of an order that all runs share'),
  /** Which part of how many is measured on, of training and validation data together. */
  fold: portionShape.fold,
  distributed: distributedOption,
  out: outOption('out/<run>'),
  language: z.string().optional().meta({
    description: 'language of the data, for the model card',
    value: 'code',
  }),
  baseModel: z.string().optional().meta({
    description:
      'model of the Hub that --model is, or descends from, for the model card (default: the one that it names)',
    value: 'name',
  }),
  license: z.string().optional().meta({
    description: "licence of the weights, for the model card, in the Hub's spelling",
    value: 'id',
  }),
};

export function addTrainCommand(program: Command, run: Runner): void {
  const command = program
    .command('train')
    .description('fine-tune one model, keeping its best weights; stopped, the same command goes on');
  addExamples(command, {
    'the demo, its six lower layers frozen': 'permafrost train --preset demo --freeze bottom-up:6',
    'own data, a model of the Hub':
      'permafrost train --model bert-base-cased --cased --freeze bottom-up:6 \\\n' +
      '  --train train.conll --validation dev.conll --test test.conll',
    'what it would take, without training': 'permafrost train --preset demo --dry-run',
    'the same run again, with another seed':
      'permafrost train --config out/demo/record.json --seed 43 --out out/again',
  });
  addDryRunOption(addTrainingOptions(command, trainShape, experimentGroups)).action(run(train));
}

async function train(given: Flags, outer: CommandContext): Promise<void> {
  const options = checkedOptions(trainShape, given, 'train');
  const { distributed, isFirst, context, flags } = ownRank(options.distributed, given, outer);
  const { output, args, signal } = context;
  const { seed, out, baseModel } = options;
  if (baseModel !== undefined) parseRepo(baseModel, 'model');
  // Before data are fetched and read, which can take long.
  const isDry = flags.dryRun === true;
  if (out !== undefined && isFirst && !isDry) await probe(out);
  const workspace = await workspaceOf(flags, context);
  const freezing = parseFreezing(options.freeze);
  freezing.start(workspace.numLayers);
  const scenario = scenarioOf(workspace.settings, freezing.notation, options);
  const directory = out ?? join('out', runId(scenario, seed));
  const restart = flags.restart === true;
  sayOtherSources(flags, workspace, context);
  if (isDry) {
    const what = { workspace, scenarios: [scenario], seeds: [seed], directory };
    return showDryRun({ ...what, isGrid: false, restart }, context);
  }
  const [model, file] = [join(directory, 'best'), join(directory, 'record.json')];
  const events = runScenario({
    ...{ workspace, scenario, seed, directory, distributed, restart, signal },
    complete: (record) => writeCard(directory, record, args, options),
  });
  const record = await showTraining(output, events, { strategy: scenario.strategy, seed });
  const best = record.epochs.find(({ epoch }) => epoch === record.bestEpoch)!;
  output.print(metricsText(record.test === null ? 'validation' : 'test', record.test ?? best.validation));
  output.print(`Model: ${model}\nRecord: ${file}`);
  output.json({ type: 'record', file, model, record });
}
