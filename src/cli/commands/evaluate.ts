import { type Command, Option } from 'commander';
import { downloadDataset } from '../../data/hub/download-dataset.js';
import { SPLITS, type SplitName } from '../../data/hub/find-files.js';
import { mapTypes, parseTypeMap } from '../../data/map-types.js';
import { parseNamedFiles } from '../../data/named-files.js';
import { type ColumnOptions, columnOptions, readSentences } from '../../data/read-sentences.js';
import type { Sentence } from '../../data/sentence.js';
import { PermafrostError } from '../../errors/error.js';
import { decodingShape } from '../../evaluation/decoding.js';
import { encodingShape } from '../../evaluation/encoding.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { type Prediction, predictionsOf, writePredictions } from '../../evaluation/predictions.js';
import { workspaceShape } from '../../experiment/workspace-options.js';
import type { HubOptions } from '../../hub/snapshot.js';
import { locateModel } from '../../model/locate-model.js';
import { loadTrainedModel } from '../../model/trained-model.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { metricsText } from '../metrics-text.js';
import { addEngineOptions, addJsonOption, engineOptionsOf } from '../options.js';
import { addShape, collect, columnOf, type Flags, optionsOf, wholeNumber } from '../schema-options.js';
import { unusedText } from '../unused-text.js';

const mapDescription = workspaceShape.map.description!;

export function addEvaluateCommand(program: Command, run: Runner): void {
  const command = program
    .command('evaluate')
    .description('score a fine-tuned model on annotated sentences')
    .requiredOption('--model <model>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .option(
      '--data <file>',
      'sentences with gold tags (CoNLL columns or JSON lines); again as name=file for further sets',
      collect,
    )
    .option('--map <type=type>', mapDescription, collect)
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
  addShape(addShape(command, encodingShape), decodingShape);
  addJsonOption(addEngineOptions(command)).action(run(evaluateModel));
}

async function evaluateModel(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const { directory, sets } = await withDownloads(context, async (hub) => ({
    ...(await locateModel(flags.model as string, hub)),
    sets: withTypesMapped(await goldSentences(flags, hub), flags),
  }));
  const model = await loadTrainedModel(directory, { ...engineOptionsOf(flags), signal });
  try {
    const left = unusedText(model.loadReport.unused);
    if (left !== null) output.note(left);
    const answers: Prediction[] = [];
    for (const { name, file, sentences } of sets) {
      const { metrics, predicted, loss, warnings, seconds } = await evaluate({
        model,
        sentences,
        ...(flags.maxLength !== undefined && { maxLength: flags.maxLength as number }),
        ...optionsOf({ ...encodingShape, ...decodingShape }, flags),
        signal,
      });
      answers.push(...predictionsOf(file, sentences, predicted));
      output.print(metricsText(name === null ? file : `${name}, ${file}`, metrics));
      const lossText = loss === null ? '' : `loss ${loss.toFixed(4)}, `;
      output.print(`${lossText}${seconds.toFixed(1)} s on ${model.device}`);
      for (const warning of warnings) output.note(warning);
      const named = name === null ? {} : { name };
      output.json({
        type: 'evaluation',
        ...named,
        file,
        metrics,
        loss,
        warnings,
        seconds,
        device: model.device,
      });
    }
    if (flags.predictions !== undefined) await writePredictions(flags.predictions as string, answers);
  } finally {
    await model.dispose();
  }
}

/** Sentences with gold tags. */
interface GoldSet {
  name: string | null;
  file: string;
  sentences: Sentence[];
}

function withTypesMapped(sets: GoldSet[], { map }: Flags): GoldSet[] {
  if (map === undefined) return sets;
  const mapped = mapTypes(
    sets.map(({ sentences }) => sentences),
    parseTypeMap(map as string[]),
  );
  return sets.map((set, index) => ({ ...set, sentences: mapped[index]! }));
}

async function goldSentences(flags: Flags, hub: HubOptions): Promise<GoldSet[]> {
  const { data, dataset } = flags as { data?: string[]; dataset?: string };
  const columns = { tokenColumn: flags.tokenColumn, tagColumn: flags.tagColumn } as ColumnOptions;
  if ((data === undefined) === (dataset === undefined)) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `--data FILE or --dataset NAME: expected one of them, got ${data === undefined ? 'none' : 'both'}.`,
      { option: 'data' },
    );
  }
  if (data !== undefined) {
    const sets: GoldSet[] = [];
    for (const { name, file } of parseNamedFiles(data, 'data')) {
      sets.push({ name, file, sentences: await readSentences(file, columnOptions(file, columns)) });
    }
    return sets;
  }
  const split = flags.datasetSplit as SplitName;
  const { tokenColumn, tagColumn } = columns;
  const { name, splits } = await downloadDataset(dataset!, {
    ...hub,
    ...(flags.datasetConfig !== undefined && { config: flags.datasetConfig as string }),
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
  });
  const sentences = splits[split];
  if (sentences !== null) return [{ name: null, file: `${name}, ${split}`, sentences }];
  const given = SPLITS.filter((other) => splits[other] !== null).join(', ');
  throw new PermafrostError(
    'INVALID_OPTION',
    `--dataset-split ${split}: dataset ${name} has only ${given}. Name one of these.`,
    { option: 'datasetSplit' },
  );
}
