import type { CardMeasurement } from '../bench/card.js';
import type { BenchResult, ModeResult } from '../bench/result.js';
import { drawTable } from '../report/terminal.js';

const MEGABYTE = 1e6;

/** A measurement for people: one row a mode, the ratios, and what it was made with. */
export function benchText(result: BenchResult): string {
  const { shape, versions, hardware } = result;
  const card = hardware.deviceName === undefined ? '' : ` (${hardware.deviceName})`;
  const head = [
    'mode',
    's/step',
    'min',
    'max',
    'tokens/s',
    'tokens',
    'computed',
    'GFLOP/s',
    'floor s',
    'step/floor',
  ];
  const size = `${shape.numLayers} layers of ${shape.hiddenSize}`;
  return [
    drawTable({ head, rows: result.modes.map(rowOf) }),
    ...(result.card ? cardText(result.card) : []),
    ...Object.entries(result.ratios).map(([name, ratio]) => `${name}: ${ratio.toFixed(2)}`),
    `${size}, ${result.freeze}, batch ${result.batchSize}, ${result.steps} steps after ${result.warmup}, ` +
      `${result.kernels} kernels, ${result.threads} threads, frozen dropout ${result.frozenDropout}${result.prefixStore ? ', prefix kept' : ''}`,
    ...(result.fastestLibrary === null
      ? []
      : [
          `products by ${hardware.matmul ?? 'libtorch'}; the floor by ${result.fastestLibrary}, the fastest at them`,
        ]),
    `peak memory of the process ${Math.round(result.peakBytes / MEGABYTE)} MB` +
      `${result.modes.length > 1 ? ' (all modes together)' : ''}; engine: ${memoryText(result)}`,
    `${hardware.cpuModel}, ${hardware.device}${card}; libtorch ${versions.libtorch ?? 'unknown'}, ` +
      `permafrost ${versions.permafrost}, node ${versions.node}`,
  ].join('\n');
}

/** What whoever has a card wants to know first. */
function cardText({
  secondsPerStep,
  tokensPerSecond,
  firstSeconds,
  firstSteps,
  peakBytes,
  facts,
}: CardMeasurement) {
  const { precision, kernels, whyNoKernels, attention, graphs, launches, whyNoGraphs, stepsInFlight } = facts;
  const whose = kernels === 'own' ? 'own kernels' : "libtorch's kernels";
  const why = whyNoKernels === null ? '' : ` (${whyNoKernels})`;
  const recorded =
    graphs > 0
      ? `${graphs} steps recorded${launches > 0 ? `, ${launches} launches each` : ''}`
      : `no step recorded (${whyNoGraphs ?? 'none came twice'})`;
  return [
    `on ${facts.name}, ${stepsInFlight} steps under way: ${(secondsPerStep * 1000).toFixed(3)} ms a step, ` +
      `${(tokensPerSecond / 1e6).toFixed(3)} M tokens/s, peak ${(peakBytes / 2 ** 30).toFixed(2)} GiB of the card`,
    `${precision}, ${whose}${why}, attention ${attention}, ${recorded}; the first ${firstSteps} steps took ` +
      `${firstSeconds.toFixed(2)} s, recording included`,
  ];
}

function rowOf(mode: ModeResult): string[] {
  return [
    mode.mode,
    seconds(mode.secondsPerStep),
    seconds(mode.secondsMin),
    seconds(mode.secondsMax),
    mode.tokensPerSecond.toFixed(0),
    mode.tokensPerStep.toFixed(0),
    mode.paddedTokensPerStep.toFixed(0),
    mode.gflopsPerSecond.toFixed(1),
    mode.floorSecondsPerStep === null ? '-' : seconds(mode.floorSecondsPerStep),
    mode.stepOverFloor === null ? '-' : mode.stepOverFloor.toFixed(2),
  ];
}

function seconds(value: number): string {
  return value.toPrecision(3);
}

function memoryText({ memory }: BenchResult): string {
  return Object.entries(memory)
    .map(([name, bytes]) => `${name} ${Math.round(bytes / MEGABYTE)}`)
    .join(', ');
}
