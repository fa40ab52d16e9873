import { type Command, Option } from 'commander';
import { measureSteps } from '../../bench/measure-steps.js';
import { parseModes } from '../../bench/modes.js';
import { type BenchOptionsInput, parseBenchOptions } from '../../bench/options.js';
import { benchResult } from '../../bench/result.js';
import { readLengths } from '../../bench/workload.js';
import { parseShape, SHAPES } from '../../experiment/shape.js';
import { parseStrategy, STRATEGY_NOTATIONS } from '../../freezing/notation.js';
import { benchText } from '../bench-text.js';
import type { CommandContext, Runner } from '../context.js';
import { addEngineOptions, addJsonOption, engineOptionsOf } from '../options.js';
import { type Flags, wholeNumber } from '../schema-options.js';

export function addBenchCommand(program: Command, run: Runner): void {
  const notations = STRATEGY_NOTATIONS.map(({ form }) => form).join(', ');
  const command = program
    .command('bench')
    .description('time training steps of a random model on sentences of given lengths')
    .requiredOption('--lengths <file>', 'JSON array: tokens of each sentence, special tokens included')
    .option(
      '--shape <shape>',
      `${Object.keys(SHAPES).join(', ')}, or layers=12,hidden=128,heads=4`,
      'bert-base',
    )
    .option('--mode <modes>', 'packed, longest, pad128: several with commas between, or all', 'packed')
    .option('--freeze <strategy>', notations, 'full')
    .option('--batch-size <n>', 'sentences a step (default: 32)', wholeNumber)
    .option('--steps <n>', 'timed steps of each mode (default: 10)', wholeNumber)
    .option('--warmup <n>', 'steps of each mode before the clock starts (default: 2)', wholeNumber)
    .addOption(
      new Option('--kernels <kernels>', 'fused, or plain for the reference (default: fused)').choices([
        'fused',
        'plain',
      ]),
    )
    .addOption(
      new Option('--frozen-dropout <on|off>', 'dropout in the frozen layers (default: on)').choices([
        'on',
        'off',
      ]),
    )
    .option(
      '--vocab-size <n>',
      "rows of the word embeddings (default: 30522, bert-base-uncased's)",
      wholeNumber,
    )
    .option('--labels <n>', 'labels of the head (default: 9)', wholeNumber)
    .option('--seed <n>', 'decides weights, ids, labels, order and dropout (default: 42)', wholeNumber)
    .option('--prefix-store', "read the frozen prefix's outputs from a store, as from the second epoch on")
    .option('--no-floor', 'do not time the bare matrix products beside the steps of the first mode');
  for (const add of [addEngineOptions, addJsonOption]) add(command);
  command.action(run(bench));
}

async function bench(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const options = parseBenchOptions(await benchOptionsOf(flags));
  // Before the model is built: a plan that does not fit is known at once.
  options.freeze.plan(options.shape.numLayers);
  const measurement = await measureSteps(options, {
    signal,
    onRound: (round, rounds, seconds) => {
      const times = seconds.map((value, index) => `${options.modes[index]} ${value.toPrecision(3)} s`);
      output.note(
        `round ${round} of ${rounds}${round <= options.warmup ? ' (warm-up)' : ''}: ${times.join(', ')}`,
      );
    },
  });
  const result = benchResult(options, measurement);
  output.print(benchText(result));
  output.json(result);
}

async function benchOptionsOf(flags: Flags): Promise<BenchOptionsInput> {
  const names = [
    'batchSize',
    'steps',
    'warmup',
    'kernels',
    'frozenDropout',
    'vocabSize',
    'seed',
    'prefixStore',
  ] as const;
  const given = names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]);
  return {
    shape: parseShape(flags.shape as string),
    modes: parseModes(flags.mode as string),
    freeze: parseStrategy(flags.freeze as string),
    lengths: await readLengths(flags.lengths as string),
    floor: flags.floor as boolean,
    ...engineOptionsOf(flags),
    ...(flags.labels !== undefined && { numLabels: flags.labels as number }),
    ...Object.fromEntries(given),
  };
}
