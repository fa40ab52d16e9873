import type { ComparedScenario, RunComparison } from '../experiment/compare-runs.js';
import type { FoundRun } from '../experiment/found-runs.js';
import type { RunRecord } from '../experiment/run-record.js';
import {
  differenceText,
  formatFactor,
  formatSeconds,
  formatSpread,
  NONE,
  scoreFormat,
  scoreName,
} from './format.js';
import { hasBorrowed, type ScenarioSummary, summariseScenario } from './scenario-summary.js';
import type { TextTable } from './tables.js';

/** Settings that differ, a row each. */
export function settingsTable({ settings }: RunComparison): TextTable {
  return {
    head: ['setting', 'A', 'B'],
    rows: settings.map(({ path, was, is }) => [path, short(was), short(is)]),
  };
}

/** Digests say no more by all of their characters. */
function short(text: string): string {
  return /^[0-9a-f]{20,}$/.test(text) ? `${text.slice(0, 12)}…` : text;
}

/** Scores of both sides, and what of their difference is seen; two rows a scenario. */
export function scoresTable({ scenarios }: RunComparison): TextTable {
  return {
    head: ['scenario', 'seeds', 'score', 'A', 'B', 'B against A'],
    rows: scenarios.flatMap((scenario) => {
      const [a, b] = sidesOf(scenario);
      return (['entityF1', 'macroF1'] as const).map((score) => {
        const tested = scenario.scores?.find((found) => found.score === score);
        return [
          nameOf(scenario),
          `${scenario.seeds.length}`,
          scoreName(score),
          formatSpread(a.scores[score], scoreFormat(4)),
          formatSpread(b.scores[score], scoreFormat(4)),
          tested === undefined ? `not tested: ${scenario.reason}` : differenceText(tested),
        ];
      });
    }),
  };
}

/** Seconds and joules of both sides, with B's share of A's time as a factor. */
export function costsTable({ scenarios }: RunComparison): TextTable {
  const rows = scenarios.flatMap((scenario) => {
    const [a, b] = sidesOf(scenario);
    const { firstRuns, secondRuns } = scenario;
    const row = (
      what: string,
      measure: (record: RunRecord) => number | null,
      format: (value: number) => string,
    ): string[][] => {
      const [own, other] = [meanOf(firstRuns, measure), meanOf(secondRuns, measure)];
      if (own === null && other === null) return [];
      const isWhole = [...firstRuns, ...secondRuns].every(({ record }) => !hasBorrowed(record));
      const factor = own === null || other === null || other === 0 || !isWhole ? null : own / other;
      return [[nameOf(scenario), what, cell(own, a, format), cell(other, b, format), formatFactor(factor)]];
    };
    return [
      ...row('s/epoch', ({ secondsPerEpoch }) => secondsPerEpoch, formatSeconds),
      ...row('s to stop', ({ secondsToStop }) => secondsToStop, formatSeconds),
      ...row('epochs', ({ epochs }) => epochs.length, scoreFormat(1)),
      ...row('J', ({ energy }) => energy?.joules ?? null, formatSeconds),
    ];
  });
  return { head: ['scenario', 'what', 'A', 'B', '× less in B'], rows };
}

/** How the sentences fall to A and B; null where no predictions compare. */
export function sentencesTable({ scenarios }: RunComparison): TextTable | null {
  const rows = scenarios.flatMap((scenario) => {
    const { sentences } = scenario;
    if (sentences === null) return [];
    const { bothRight, onlyFirst, onlySecond, neitherRight } = sentences;
    return [[nameOf(scenario), ...[bothRight, onlyFirst, onlySecond, neitherRight].map(String)]];
  });
  return rows.length === 0
    ? null
    : { head: ['sentences right in', 'both', 'A alone', 'B alone', 'neither'], rows };
}

function nameOf({ first, second }: ComparedScenario): string {
  return first === second ? first : `${first} → ${second}`;
}

function sidesOf({ firstRuns, secondRuns }: ComparedScenario): [ScenarioSummary, ScenarioSummary] {
  const of = (runs: readonly FoundRun[]) => summariseScenario(runs.map(({ record }) => record));
  return [of(firstRuns), of(secondRuns)];
}

function meanOf(runs: readonly FoundRun[], measure: (record: RunRecord) => number | null): number | null {
  const values = runs.map(({ record }) => measure(record));
  if (values.some((value) => value === null)) return null;
  return values.reduce<number>((sum, value) => sum + value!, 0) / values.length;
}

function cell(
  value: number | null,
  { isBorrowed }: ScenarioSummary,
  format: (value: number) => string,
): string {
  if (value === null) return NONE;
  return isBorrowed ? `${format(value)} (cache of another run)` : format(value);
}
