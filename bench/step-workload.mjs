import { join } from 'node:path';
import { measureSteps } from '../dist/bench/measure-steps.js';
import { parseBenchOptions } from '../dist/bench/options.js';
import { benchResult } from '../dist/bench/result.js';
import { readLengths } from '../dist/bench/workload.js';
import { full } from '../dist/freezing/strategy.js';
import { figure } from './table.mjs';

/** Equal work laid out three ways: the same sentences, step by step, on one engine. */
export const drivers = ['packed', 'longest', 'pad128'];

/** Measures steps and gives what `permafrost bench --json` gives. */
export async function benchSteps(context, options) {
  const { shape, steps, warmup, threads, note } = context;
  const parsed = parseBenchOptions({ shape, steps, warmup, threads, ...options });
  const measurement = await measureSteps(parsed, {
    onRound: (round, rounds, seconds) =>
      note(`  ${parsed.freeze.notation} ${round}/${rounds}: ${seconds.map(figure).join(' ')} s`),
  });
  return benchResult(parsed, measurement);
}

export function lengthsOf(context, name) {
  return readLengths(join(context.data, 'lengths', name));
}

/** The workload "training steps on the sentences of one dataset", with its three drivers. */
export function stepWorkload({ title, lengths }) {
  return {
    title,
    async run(context) {
      const result = await benchSteps(context, {
        lengths: await lengthsOf(context, lengths),
        modes: drivers,
        freeze: full(),
      });
      const head = [
        'driver',
        's/step',
        'min',
        'max',
        'tokens/s',
        'tokens',
        'computed',
        'GFLOP/s',
        'driver/packed',
      ];
      const rows = result.modes.map((mode) => [
        mode.mode,
        ...[mode.secondsPerStep, mode.secondsMin, mode.secondsMax].map(figure),
        ...[mode.tokensPerSecond, mode.tokensPerStep, mode.paddedTokensPerStep].map((value) =>
          value.toFixed(0),
        ),
        figure(mode.gflopsPerSecond),
        figure(result.ratios[`${mode.mode}/packed`] ?? 1),
      ]);
      const { floorSecondsPerStep, productSecondsPerStep, stepOverFloor, fastestLibrary } = result;
      const notes = [
        `${context.shapeName}, nothing frozen, batch ${result.batchSize}, ${result.threads} threads. ` +
          `The matrix products of the packed step by themselves: ${figure(floorSecondsPerStep)} s by ` +
          `${fastestLibrary ?? 'libtorch'}, the fastest, ${figure(productSecondsPerStep)} s as the step takes them; ` +
          `packed/products ${figure(stepOverFloor)}.`,
      ];
      return { head, rows, notes };
    },
  };
}
