import { join } from 'node:path';
import type { Command } from 'commander';
import { runScenario } from '../../experiment/run.js';
import type { RunRecord } from '../../experiment/run-record.js';
import { runId, scenarioOf } from '../../experiment/scenario.js';
import { openWorkspace } from '../../experiment/workspace.js';
import { parseStrategy } from '../../freezing/notation.js';
import { writeFileAtomic } from '../../io/atomic-write.js';
import { modelCard, recordCardFacts } from '../../report/model-card.js';
import { commandText } from '../command-text.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { metricsText } from '../metrics-text.js';
import {
  addExperimentOptions,
  addPresetOption,
  type Flags,
  wholeNumber,
  workspaceOptionsOf,
} from '../options.js';
import { trainingProgress } from '../progress.js';

export function addTrainCommand(program: Command, run: Runner): void {
  const command = program.command('train').description('fine-tune one model and save its best weights');
  addPresetOption(command);
  command
    .option('--freeze <strategy>', 'full, bottom-up:K, top-down:K, interleaved, only:…', 'full')
    .option('--seed <n>', 'fixes initial weights, order and dropout', wholeNumber, 42)
    .option('--out <dir>', 'directory of record and model (default: out/<run>)')
    .option('--language <code>', 'language of the data, for the model card')
    .option('--license <id>', "licence of the weights, for the model card, in the Hub's spelling");
  addExperimentOptions(command).action(run(train));
}

async function train(flags: Flags, context: CommandContext): Promise<void> {
  const { output, args, signal } = context;
  const workspace = await withDownloads(context, (hub) => openWorkspace(workspaceOptionsOf(flags), hub));
  const strategy = parseStrategy(flags.freeze as string);
  strategy.plan(workspace.numLayers);
  const scenario = scenarioOf(workspace.settings, strategy.notation);
  const seed = flags.seed as number;
  const directory = (flags.out as string | undefined) ?? join('out', runId(scenario, seed));
  const model = join(directory, 'best');
  const progress = trainingProgress(output, scenario.strategy, seed);
  let record: RunRecord;
  try {
    const events = runScenario({ workspace, scenario, seed, saveTo: model, signal });
    let next = await events.next();
    for (; !next.done; next = await events.next()) progress.on(next.value);
    record = next.value;
  } finally {
    progress.stop();
  }
  const file = join(directory, 'record.json');
  await writeFileAtomic(file, `${JSON.stringify(record, null, 2)}\n`);
  const { language, license } = flags as { language?: string; license?: string };
  const facts = recordCardFacts(record, {
    command: commandText(args),
    ...(language !== undefined && { language }),
    ...(license !== undefined && { license }),
  });
  await writeFileAtomic(join(model, 'README.md'), modelCard(facts));
  const best = record.epochs.find(({ epoch }) => epoch === record.bestEpoch)!;
  output.print(metricsText(record.test === null ? 'validation' : 'test', record.test ?? best.validation));
  output.print(`Model: ${model}\nRecord: ${file}`);
  output.json({ type: 'record', file, model, record });
}
