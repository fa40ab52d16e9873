import { type Command, Option } from 'commander';
import { measureSteps } from '../../bench/measure-steps.js';
import { BENCH_MODES, parseModes } from '../../bench/modes.js';
import { type BenchOptionsInput, benchShape, parseBenchOptions } from '../../bench/options.js';
import { benchResult } from '../../bench/result.js';
import { readLengths } from '../../bench/workload.js';
import { parseShape, SHAPES } from '../../experiment/shape.js';
import { parseStrategy, STRATEGY_NAMES, STRATEGY_NOTATIONS } from '../../freezing/notation.js';
import { benchText } from '../bench-text.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption } from '../options.js';
import { addShape, type Flags, optionsOf, suggest, wholeNumber } from '../schema-options.js';

export function addBenchCommand(program: Command, run: Runner): void {
  const shapes = Object.keys(SHAPES);
  const notations = STRATEGY_NOTATIONS.map(({ form }) => form).join(', ');
  const command = program
    .command('bench')
    .description('time training steps of a random model on sentences of given lengths')
    .optionsGroup('What is timed:')
    .requiredOption('--lengths <file>', 'JSON array: tokens of each sentence, special tokens included')
    .addOption(
      suggest(
        new Option('--shape <shape>', `${shapes.join(', ')}, or layers=12,hidden=128,heads=4`).default(
          'bert-base',
        ),
        shapes,
      ),
    )
    .addOption(
      suggest(
        new Option(
          '--mode <modes>',
          `${BENCH_MODES.join(', ')}: several with commas between, or all`,
        ).default('packed'),
        [...BENCH_MODES, 'all'],
      ),
    )
    .addOption(suggest(new Option('--freeze <strategy>', notations).default('full'), STRATEGY_NAMES))
    .option('--labels <n>', 'labels of the head (default: 9)', wholeNumber)
    .option('--no-floor', 'do not time the bare matrix products beside the steps of the first mode');
  addExamples(command, {
    'six layers frozen, packed and padded':
      'permafrost bench --lengths lengths.json --shape bert-base \\\n' +
      '  --freeze bottom-up:6 --mode packed,longest',
  });
  addJsonOption(addShape(command, benchShape, 'Steps')).action(run(bench));
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
  return {
    shape: parseShape(flags.shape as string),
    modes: parseModes(flags.mode as string),
    freeze: parseStrategy(flags.freeze as string),
    lengths: await readLengths(flags.lengths as string),
    floor: flags.floor as boolean,
    ...(flags.labels !== undefined && { numLabels: flags.labels as number }),
    ...optionsOf(benchShape, flags),
  };
}
