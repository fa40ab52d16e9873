import type { Command } from 'commander';
import { checkSentences, type DataWarning } from '../../data/check-sentences.js';
import type { Sentence } from '../../data/sentence.js';
import { parseOptions } from '../../errors/option-error.js';
import { readSets } from '../../experiment/dataset-source.js';
import { modelShape } from '../../experiment/model-options.js';
import { presetByName } from '../../experiment/presets/by-name.js';
import { assembleWorkspace, openWorkspace, type Workspace } from '../../experiment/workspace.js';
import {
  type WorkspaceOptions,
  workspaceGroups,
  workspaceOptionsSchema,
} from '../../experiment/workspace-options.js';
import { parseStrategy } from '../../freezing/notation.js';
import { trainableTable } from '../../freezing/trainable-table.js';
import type { HubOptions } from '../../hub/snapshot.js';
import { locateTokenizer } from '../../hub/tokenizer-files.js';
import { drawTable } from '../../report/terminal.js';
import { findSharedSentences, inspectTokenization } from '../../text/inspect.js';
import { Tokenizer, trainWordPiece } from '../../text/tokenizer.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { sayNotes } from '../open-workspace.js';
import { addJsonOption, workspaceOptionsOf } from '../options.js';
import { addShape, type Flags, wholeNumber } from '../schema-options.js';
import { tokenizationText, tokenizationWarnings } from '../tokenization-text.js';

/** Stands for a tokenizer in place of a file. */
const TRAINED = 'trained';

export function addInspectCommand(program: Command, run: Runner): void {
  const command = program
    .command('inspect')
    .description('what a tokenizer makes of a dataset, and what in it may spoil training');
  addShape(command, workspaceGroups.Data, 'Data');
  addShape(command, modelShape, 'Model')
    .option(
      '--tokenizer <tokenizer>',
      `directory, vocab.txt, tokenizer.json, model of the Hub, or "${TRAINED}" for one trained on the train split; ` +
        'may be repeated, for several side by side',
      (name: string, names: string[] = []) => [...names, name],
    )
    .option('--max-length <n>', 'longest example in tokens', wholeNumber)
    .option('--freeze <strategy>', 'also count what learns under this strategy');
  addExamples(command, {
    'own data, cut by two tokenizers':
      'permafrost inspect --data all.conll \\\n  --tokenizer bert-base-cased --tokenizer trained',
    'how much learns under a plan': 'permafrost inspect --preset demo --freeze bottom-up:6',
  });
  addJsonOption(command).action(run(inspect));
}

async function inspect(flags: Flags, context: CommandContext): Promise<void> {
  const { output } = context;
  const { workspace, sets, tokenizers, standIns } = await withDownloads(context, (hub) =>
    openStudy(flags, hub),
  );
  sayNotes(output, workspace.notes);
  const { maxLength } = workspace.settings.training;
  const shown = Object.entries(sets);
  // What was divided is shown as a whole, too: that is what one compares with figures of others.
  if (workspace.settings.dataset.source === 'split') shown.push(['all', Object.values(sets).flat()]);
  const shared = findSharedSentences(sets);
  const studies = tokenizers.map(([name, tokenizer]) => ({
    name,
    reports: new Map(
      shown.map(([split, sentences]) => [split, inspectTokenization(sentences, tokenizer, { maxLength })]),
    ),
  }));
  const warnings: DataWarning[] = [
    ...checkSentences(sets),
    ...tokenizationWarnings(studies.filter(({ name }) => !standIns.includes(name))),
  ];
  for (const { name, reports } of studies) {
    output.json({ type: 'tokenization', tokenizer: name, splits: Object.fromEntries(reports), shared });
  }
  output.json({ type: 'warnings', warnings });
  output.print(tokenizationText(studies));
  output.print(warningsText(warnings));
  if (flags.freeze !== undefined) await countTrainable(workspace, flags.freeze as string, context);
}

function warningsText(warnings: readonly DataWarning[]): string {
  if (warnings.length === 0) return 'Nothing was found that spoils training.';
  const lines = warnings.map(({ message, places }) => {
    return `- ${message}${places.length === 0 ? '' : ` (${places.join('; ')})`}`;
  });
  return ['What may spoil training:', ...lines].join('\n');
}

interface Study {
  workspace: Workspace;
  /** Sentences by the names of their splits. */
  sets: Record<string, Sentence[]>;
  /** By the names that they were given by, or by the model's. */
  tokenizers: [name: string, tokenizer: Tokenizer][];
  /** Those that were made of the data themselves, which say nothing about a model's. */
  standIns: readonly string[];
}

/** Opens the data, and the tokenizers that are named, else the model's. Nothing has to be divided, or complete. */
async function openStudy(flags: Flags, hub: HubOptions): Promise<Study> {
  const options = parseOptions(workspaceOptionsSchema, workspaceOptionsOf(flags), 'inspect');
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
  const hasFiles = [options.data, options.train, options.validation, options.test].some(
    (file) => file !== undefined,
  );
  const hasModel =
    options.preset !== undefined ||
    options.model !== undefined ||
    options.shape !== undefined ||
    flags.freeze !== undefined ||
    !(hasFiles || options.dataset);
  const complete = hasModel ? options : { ...options, shape: 'mini', ...(vocab !== undefined && { vocab }) };
  // Files are taken as they are, unless a division is asked for.
  const { workspace, sets } =
    hasFiles && options.split === undefined
      ? await openFiles(complete, hub)
      : await openSplits(complete, hub);
  if (names.length === 0) {
    const { name } = workspace.settings.model;
    const standIns = hasModel || vocab !== undefined ? [] : [name];
    return { workspace, sets, tokenizers: [[name, workspace.tokenizer]], standIns };
  }
  return {
    workspace,
    sets,
    standIns: [TRAINED],
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

type Opened = Pick<Study, 'workspace' | 'sets'>;

async function openSplits(options: WorkspaceOptions, hub: HubOptions): Promise<Opened> {
  const workspace = await openWorkspace(options, hub);
  const { tests, ...main } = workspace.splits;
  // The first of the named test sets is the split `test`.
  const others = Object.entries(tests).slice(1);
  const given = [...Object.entries(main), ...others].filter(
    (entry): entry is [string, Sentence[]] => entry[1] !== null,
  );
  return { workspace, sets: Object.fromEntries(given) };
}

/** The files as they are: `all` where there is one set alone. */
async function openFiles(options: WorkspaceOptions, hub: HubOptions): Promise<Opened> {
  const { sets, notes } = await readSets(options);
  const [[first, train]] = Object.entries(sets) as [[string, Sentence[]]];
  const { validation = [], test = null } = sets;
  const description = { source: 'files' as const, name: first, train: first, validation: '', test: null };
  const splits = { train, validation, test, tests: {} };
  const preset = options.preset === undefined ? null : presetByName(options.preset);
  return { workspace: await assembleWorkspace(options, preset, { description, splits, notes }, hub), sets };
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
