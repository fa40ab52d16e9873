import { BASELINES, type Comparison } from '../experiment/comparisons.js';
import { formatFactor, formatPercent, formatSeconds, isSeenLower, testedText } from './format.js';
import { type ScenarioSummary, timesFaster } from './scenario-summary.js';
import type { GridSummary } from './summary.js';

/**
 * What a grid has found, in two sentences: how much can be frozen without a loss that is seen, by the paired comparisons
 * with k = 0 alone, and what that saves.
 */
export function findings(summary: GridSummary): [found: string, saved: string] {
  const { scenarios } = summary;
  const baseline = BASELINES.flatMap((name) => scenarios.filter(({ strategy }) => strategy === name))[0];
  if (baseline === undefined) {
    return [
      'What freezing costs cannot be said, since k = 0 was not run.',
      'What it saves cannot be said for the same reason.',
    ];
  }
  const tested = new Map<string, Comparison[]>();
  const trainSize = summary.whole[0]!.scenario.trainSize ?? null;
  for (const comparison of summary.comparisons) {
    if (comparison.testSet !== null || comparison.trainSize !== trainSize) continue;
    const { strategy } = comparison;
    tested.set(strategy, [...(tested.get(strategy) ?? []), comparison]);
  }
  // What freezes no layer is no answer to how many may be frozen.
  const compared = scenarios.filter(
    ({ strategy, plan, isSchedule }) => tested.has(strategy) && (isSchedule || plan.layers.some(Boolean)),
  );
  if (compared.length === 0) {
    return [
      scenarios.length === 1
        ? `What freezing costs cannot be said, since nothing but ${baseline.strategy} was run.`
        : 'Whether freezing costs quality was not tested, since runs that compare have left no predictions.',
      'What it saves stands in the tables.',
    ];
  }
  const isLower = ({ strategy }: ScenarioSummary) => tested.get(strategy)!.some(isSeenLower);
  const free = compared.filter(
    (scenario) => !isLower(scenario) && !hasLowerBefore(scenario, compared, isLower),
  );
  if (free.length === 0) {
    const loss = ({ strategy }: ScenarioSummary) =>
      Math.min(...tested.get(strategy)!.map(({ difference }) => difference));
    const least = compared.reduce((a, b) => (loss(b) > loss(a) ? b : a));
    return [
      `Everything that was frozen costs quality on the ${summary.evaluatedOn} split; the least is lost with ` +
        `${frozenText(least)}: ${testedList(tested.get(least.strategy)!)}.`,
      savedText(least, baseline),
    ];
  }
  const chosen = free.reduce((a, b) => (saving(b, baseline) > saving(a, baseline) ? b : a));
  const next = nextDeeper(chosen, compared.filter(isLower));
  return [
    `${capital(frozenText(chosen))} costs nothing that is seen on the ${summary.evaluatedOn} split: ` +
      `${testedList(tested.get(chosen.strategy)!)}${next === null ? '' : `; ${next.strategy} is lower: ${worst(tested.get(next.strategy)!)}`}.`,
    savedText(chosen, baseline),
  ];
}

/** Whether fewer frozen layers of the same direction are seen to be worse already: then more are no gift. */
function hasLowerBefore(
  { family, k }: ScenarioSummary,
  compared: readonly ScenarioSummary[],
  isLower: (scenario: ScenarioSummary) => boolean,
): boolean {
  return (
    k !== null &&
    compared.some((other) => other.family === family && other.k !== null && other.k < k && isLower(other))
  );
}

/** How much faster by arithmetic, which no noise of the clock turns round; of a schedule, as measured. */
function saving(scenario: ScenarioSummary, baseline: ScenarioSummary): number {
  return scenario.bound?.speedup ?? timesFaster(scenario, baseline, 'secondsToStop') ?? 1;
}

function nextDeeper(
  { family, k }: ScenarioSummary,
  compared: readonly ScenarioSummary[],
): ScenarioSummary | null {
  if (k === null) return null;
  const deeper = compared.filter((other) => other.family === family && other.k !== null && other.k > k);
  return deeper.sort((a, b) => a.k! - b.k!)[0] ?? null;
}

function frozenText({ strategy, family, k, plan }: ScenarioSummary): string {
  if (k === null) return strategy;
  const side = family === 'bottom-up' ? 'lowest' : 'highest';
  return `freezing the ${k} ${side} of ${plan.layers.length} layers (${strategy})`;
}

function testedList(comparisons: readonly Comparison[]): string {
  const [{ seeds, baseline }] = comparisons as [Comparison];
  const over =
    seeds === 1
      ? 'with one seed, so that what another seed would change is not in the interval'
      : `over ${seeds} seeds`;
  return `${comparisons.map(testedText).join(' and ')}, against ${baseline} ${over}`;
}

/** The largest loss of those that are seen. */
function worst(comparisons: readonly Comparison[]): string {
  return testedText(comparisons.filter(isSeenLower).reduce((a, b) => (b.difference < a.difference ? b : a)));
}

function savedText(scenario: ScenarioSummary, baseline: ScenarioSummary): string {
  return `${secondsText(scenario, baseline)}; ${joulesText(scenario, baseline)}.`;
}

function secondsText(scenario: ScenarioSummary, baseline: ScenarioSummary): string {
  const factor = timesFaster(scenario, baseline, 'secondsToStop');
  if (factor === null) {
    const most = scenario.bound?.speedup;
    const bound =
      most === undefined ? '' : ` (by arithmetic an epoch is at most ${formatFactor(most)} times as fast)`;
    return `What it saves in seconds cannot be said, since its runs and those of k = 0 did not each do all of their own work${bound}`;
  }
  // Over the seeds that both have, as the factor is.
  const { seeds, values } = scenario.secondsToStop;
  const own = values.filter((_, index) => baseline.secondsToStop.seeds.includes(seeds[index]!));
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  const saved = mean * factor - mean;
  const times = `${formatFactor(factor)} times as fast`;
  return saved >= 0
    ? `It saves ${formatSeconds(saved)} of ${formatSeconds(mean * factor)} seconds to the stop (${times})`
    : `It takes ${formatSeconds(-saved)} seconds more than ${formatSeconds(mean * factor)} to the stop (${times})`;
}

function joulesText(scenario: ScenarioSummary, baseline: ScenarioSummary): string {
  if (scenario.energy === null || baseline.energy === null) return 'energy was not measured';
  if (scenario.isBorrowed || baseline.isBorrowed) return 'nor in joules';
  const [own, all] = [scenario.energy.joules.mean, baseline.energy.joules.mean];
  const share = formatPercent(Math.abs(all - own) / all);
  return own <= all
    ? `it saves ${formatSeconds(all - own)} of ${formatSeconds(all)} joules (${share})`
    : `it takes ${formatSeconds(own - all)} joules more than ${formatSeconds(all)} (${share})`;
}

function capital(text: string): string {
  return /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
