import type { Command } from 'commander';
import type { Sentence } from '../../data/sentence.js';
import { openWorkspace, type Workspace } from '../../experiment/workspace.js';
import { sourceShape, type WorkspaceOptions } from '../../experiment/workspace-options.js';
import { parseStrategy } from '../../freezing/notation.js';
import { trainableTable } from '../../freezing/trainable-table.js';
import type { HubOptions } from '../../hub/snapshot.js';
import { locateTokenizer } from '../../hub/tokenizer-files.js';
import { drawTable } from '../../report/terminal.js';
import { findSharedSentences, inspectTokenization } from '../../text/inspect.js';
import { Tokenizer, trainWordPiece } from '../../text/tokenizer.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { addJsonOption, workspaceOptionsOf } from '../options.js';
import { addShape, type Flags, wholeNumber } from '../schema-options.js';
import { tokenizationText } from '../tokenization-text.js';

/** Stands for a tokenizer in place of a file. */
const TRAINED = 'trained';

export function addInspectCommand(program: Command, run: Runner): void {
  const command = program
    .command('inspect')
    .description('what a tokenizer makes of a dataset: sub-tokens, unknown tokens, truncation, labels');
  addShape(command, sourceShape)
    .option(
      '--tokenizer <tokenizer>',
      `directory, vocab.txt, tokenizer.json, model of the Hub, or "${TRAINED}" for one trained on the train split; ` +
        'may be repeated, for several side by side',
      (name: string, names: string[] = []) => [...names, name],
    )
    .option('--max-length <n>', 'longest example in tokens', wholeNumber)
    .option('--freeze <strategy>', 'also count what learns under this strategy');
  addJsonOption(command).action(run(inspect));
}

async function inspect(flags: Flags, context: CommandContext): Promise<void> {
  const { output } = context;
  const { workspace, tokenizers } = await withDownloads(context, (hub) => openStudy(flags, hub));
  const { splits, settings } = workspace;
  const { maxLength } = settings.training;
  const { tests, ...main } = splits;
  // The first of the named test sets is the split `test`.
  const others = Object.entries(tests).slice(1);
  const given = [...Object.entries(main), ...others].filter(
    (entry): entry is [string, Sentence[]] => entry[1] !== null,
  );
  // One file is shown as a whole, too: that is what one compares with figures of others.
  if (settings.dataset.source === 'split') given.push(['all', given.flatMap(([, sentences]) => sentences)]);
  const shared = findSharedSentences(Object.fromEntries(given.filter(([split]) => split !== 'all')));
  const studies = tokenizers.map(([name, tokenizer]) => ({
    name,
    reports: new Map(
      given.map(([split, sentences]) => [split, inspectTokenization(sentences, tokenizer, { maxLength })]),
    ),
  }));
  for (const { name, reports } of studies) {
    output.json({ type: 'tokenization', tokenizer: name, splits: Object.fromEntries(reports), shared });
  }
  output.print(tokenizationText(studies, shared));
  if (flags.freeze !== undefined) await countTrainable(workspace, flags.freeze as string, context);
}

interface Study {
  workspace: Workspace;
  /** By the names that they were given by, or by the model's. */
  tokenizers: [name: string, tokenizer: Tokenizer][];
}

/** Opens the data, and the tokenizers that are named, else the model's. */
async function openStudy(flags: Flags, hub: HubOptions): Promise<Study> {
  const options = workspaceOptionsOf(flags);
  const names = (flags.tokenizer as string[] | undefined) ?? [];
  const lowercase = options.lowercase === undefined ? {} : { lowercase: options.lowercase };
  const tokenizers = new Map<string, Tokenizer>();
  let vocab = options.vocab;
  for (const name of names) {
    if (name === TRAINED) continue;
    const path = await locateTokenizer(name, hub);
    vocab ??= path;
    tokenizers.set(name, await Tokenizer.load(path, lowercase));
  }
  // The shape does not matter to a tokenizer: without a model a small one stands in for it.
  const hasModel =
    options.preset !== undefined ||
    options.model !== undefined ||
    options.shape !== undefined ||
    flags.freeze !== undefined ||
    !(options.data ?? options.train ?? options.dataset);
  const workspace = await openWorkspace(
    hasModel ? options : { ...options, shape: 'mini', ...(vocab !== undefined && { vocab }) },
    hub,
  );
  if (names.length === 0) {
    return { workspace, tokenizers: [[workspace.settings.model.name, workspace.tokenizer]] };
  }
  return {
    workspace,
    tokenizers: await Promise.all(
      names.map(
        async (name): Promise<[string, Tokenizer]> => [
          name,
          tokenizers.get(name) ?? (await trainedTokenizer(workspace, options)),
        ],
      ),
    ),
  };
}

async function trainedTokenizer(
  { splits }: Workspace,
  { vocabSize = 8000, lowercase = true }: WorkspaceOptions,
): Promise<Tokenizer> {
  const words = splits.train.flatMap((sentence) => sentence.words);
  return trainWordPiece(words, { vocabSize, lowercase, minFrequency: 2 });
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
