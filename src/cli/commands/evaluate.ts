import { type Command, Option } from 'commander';
import { downloadDataset } from '../../data/hub/download-dataset.js';
import { SPLITS, type SplitName } from '../../data/hub/find-files.js';
import { type ColumnOptions, columnOptions, readSentences } from '../../data/read-sentences.js';
import type { Sentence } from '../../data/sentence.js';
import { PermafrostError } from '../../errors/error.js';
import { encodingShape } from '../../evaluation/encoding.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { predictionsOf, writePredictions } from '../../evaluation/predictions.js';
import type { HubOptions } from '../../hub/snapshot.js';
import { locateModel } from '../../model/locate-model.js';
import { loadTrainedModel } from '../../model/trained-model.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { metricsText } from '../metrics-text.js';
import { addEngineOptions, addJsonOption, engineOptionsOf } from '../options.js';
import { addShape, columnOf, type Flags, optionsOf, wholeNumber } from '../schema-options.js';
import { unusedText } from '../unused-text.js';

export function addEvaluateCommand(program: Command, run: Runner): void {
  const command = program
    .command('evaluate')
    .description('score a fine-tuned model on annotated sentences')
    .requiredOption('--model <model>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .option('--data <file>', 'sentences with gold tags (CoNLL columns or JSON lines)')
    .option('--dataset <name>', 'dataset of the Hugging Face Hub instead: a short name or owner/name')
    .option('--dataset-config <name>', 'part of --dataset, such as a language')
    .addOption(new Option('--dataset-split <split>', 'split of --dataset').choices(SPLITS).default('test'))
    .option('--token-column <column>', 'column of the word: its number from 0, or its name', columnOf)
    .option('--tag-column <column>', 'column of the tag: its number from 0, or its name', columnOf)
    .option('--max-length <n>', 'longest example in tokens (default: as the model was trained)', wholeNumber)
    .option(
      '--predictions <file>',
      'writes gold and predicted tags of every sentence, one JSON object a line',
    );
  addShape(command, encodingShape);
  addJsonOption(addEngineOptions(command)).action(run(evaluateModel));
}

async function evaluateModel(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const { directory, file, sentences } = await withDownloads(context, async (hub) => ({
    ...(await locateModel(flags.model as string, hub)),
    ...(await goldSentences(flags, hub)),
  }));
  const model = await loadTrainedModel(directory, { ...engineOptionsOf(flags), signal });
  try {
    const left = unusedText(model.loadReport.unused);
    if (left !== null) output.note(left);
    const { metrics, predicted, loss, seconds } = await evaluate({
      model,
      sentences,
      ...(flags.maxLength !== undefined && { maxLength: flags.maxLength as number }),
      ...optionsOf(encodingShape, flags),
      signal,
    });
    const answers = flags.predictions as string | undefined;
    if (answers !== undefined) await writePredictions(answers, predictionsOf(file, sentences, predicted));
    output.print(metricsText(file, metrics));
    output.print(
      `${loss === null ? '' : `loss ${loss.toFixed(4)}, `}${seconds.toFixed(1)} s on ${model.device}`,
    );
    if (answers !== undefined) output.print(`Predictions: ${answers}`);
    const written = answers === undefined ? {} : { predictions: answers };
    output.json({ type: 'evaluation', file, metrics, loss, seconds, device: model.device, ...written });
  } finally {
    await model.dispose();
  }
}

async function goldSentences(
  flags: Flags,
  hub: HubOptions,
): Promise<{ file: string; sentences: Sentence[] }> {
  const { data, dataset } = flags as Record<string, string | undefined>;
  const columns = { tokenColumn: flags.tokenColumn, tagColumn: flags.tagColumn } as ColumnOptions;
  if ((data === undefined) === (dataset === undefined)) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `--data FILE or --dataset NAME: expected one of them, got ${data === undefined ? 'none' : 'both'}.`,
      { option: 'data' },
    );
  }
  if (data !== undefined)
    return { file: data, sentences: await readSentences(data, columnOptions(data, columns)) };
  const split = flags.datasetSplit as SplitName;
  const { tokenColumn, tagColumn } = columns;
  const { name, splits } = await downloadDataset(dataset!, {
    ...hub,
    ...(flags.datasetConfig !== undefined && { config: flags.datasetConfig as string }),
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
  });
  const sentences = splits[split];
  if (sentences !== null) return { file: `${name}, ${split}`, sentences };
  const given = SPLITS.filter((other) => splits[other] !== null).join(', ');
  throw new PermafrostError(
    'INVALID_OPTION',
    `--dataset-split ${split}: dataset ${name} has only ${given}. Name one of these.`,
    { option: 'datasetSplit' },
  );
}
