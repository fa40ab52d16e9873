import type { Command } from 'commander';
import type { Sentence } from '../../data/sentence.js';
import { openWorkspace, type Workspace } from '../../experiment/workspace.js';
import { parseStrategy } from '../../freezing/notation.js';
import { trainableTable } from '../../freezing/trainable-table.js';
import { drawTable } from '../../report/terminal.js';
import { findSharedSentences, inspectTokenization } from '../../text/inspect.js';
import type { CommandContext, Runner } from '../context.js';
import {
  addDataOptions,
  addJsonOption,
  addModelOptions,
  addPresetOption,
  type Flags,
  wholeNumber,
  workspaceOptionsOf,
} from '../options.js';
import { tokenizationText } from '../tokenization-text.js';

export function addInspectCommand(program: Command, run: Runner): void {
  const command = program
    .command('inspect')
    .description('what a tokenizer makes of a dataset: sub-tokens, unknown tokens, truncation, labels');
  for (const add of [addPresetOption, addDataOptions, addModelOptions]) add(command);
  command
    .option('--max-length <n>', 'longest example in tokens', wholeNumber)
    .option('--freeze <strategy>', 'also count what learns under this strategy');
  addJsonOption(command).action(run(inspect));
}

async function inspect(flags: Flags, context: CommandContext): Promise<void> {
  const { output } = context;
  const options = workspaceOptionsOf(flags);
  // The shape does not matter to the tokenizer, so that --vocab alone will do.
  const needsShape = options.model === undefined && options.shape === undefined && flags.freeze === undefined;
  const hasModel = options.preset !== undefined || !(options.data ?? options.train);
  const workspace = await openWorkspace(needsShape && !hasModel ? { ...options, shape: 'mini' } : options);
  const { splits, tokenizer, settings } = workspace;
  const { maxLength } = settings.training;
  const given = Object.entries(splits).filter((entry): entry is [string, Sentence[]] => entry[1] !== null);
  // One file is shown as a whole, too: that is what one compares with figures of others.
  if (settings.dataset.source === 'split') given.push(['all', given.flatMap(([, sentences]) => sentences)]);
  const reports = new Map(
    given.map(([split, sentences]) => [split, inspectTokenization(sentences, tokenizer, { maxLength })]),
  );
  const shared = findSharedSentences(Object.fromEntries(given.filter(([split]) => split !== 'all')));
  output.json({ type: 'tokenization', splits: Object.fromEntries(reports), shared });
  output.print(tokenizationText(reports, shared));
  if (flags.freeze !== undefined) await countTrainable(workspace, flags.freeze as string, context);
}

async function countTrainable(
  workspace: Workspace,
  notation: string,
  { output, signal }: CommandContext,
): Promise<void> {
  const strategy = parseStrategy(notation);
  const plan = strategy.plan(workspace.numLayers);
  const model = await workspace.createModel(42, signal);
  try {
    await model.freeze(plan);
    const rows = trainableTable(model.parameters(), workspace.numLayers);
    output.json({ type: 'trainable', strategy: strategy.notation, rows });
    const cells = rows.map(({ part, trainable, total }) => [part, String(trainable), String(total)]);
    output.print(drawTable({ head: [strategy.notation, 'learn', 'of'], rows: cells }));
  } finally {
    await model.dispose();
  }
}
