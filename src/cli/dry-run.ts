import { join } from 'node:path';
import { forecast, forecastPretraining, type ScenarioForecast } from '../experiment/forecast.js';
import { runId, type Scenario } from '../experiment/scenario.js';
import type { Workspace } from '../experiment/workspace.js';
import { drawTable } from '../report/terminal.js';
import type { CommandContext } from './context.js';
import { type PresentState, presentState, presentStateText } from './present-state.js';
import { clockText } from './progress/live-line.js';

/** What a command would train, and where. */
export interface DryRun {
  workspace: Workspace;
  /** Each is trained with every seed. */
  scenarios: readonly Scenario[];
  seeds: readonly number[];
  /** Of the run, or of the grid, in which each run has a directory of its own. */
  directory: string;
  isGrid: boolean;
  restart: boolean;
}

/** Tells what would be trained and what it would take; nothing is written. */
export async function showDryRun(dryRun: DryRun, { output, signal }: CommandContext): Promise<void> {
  const { workspace, scenarios, seeds, directory, isGrid, restart } = dryRun;
  output.note('Makes a few steps to see what they take …');
  const expected = await forecast(workspace, scenarios, { seed: seeds[0]!, signal });
  const runs = scenarios.flatMap((scenario, index) =>
    seeds.map((seed) => ({ id: runId(scenario, seed), forecast: expected.scenarios[index]! })),
  );
  const states = await Promise.all(
    runs.map(async ({ id, forecast }) => {
      const path = isGrid ? join(directory, id) : directory;
      const isSame = (record: Record<string, unknown>) =>
        record.run === id && (record.data as { digest?: string }).digest === workspace.data.digest;
      return { path, forecast, state: await presentState(path, isSame) };
    }),
  );
  const isLeft = ({ state }: { state: PresentState }) => restart || state.kind !== 'finished';
  const left = states.filter(isLeft);
  const seconds = left.reduce((sum, { forecast }) => sum + forecast.seconds, 0);
  const disk = diskBytes(expected.scenarios, isGrid);
  output.json({
    type: 'dry-run',
    ...{ device: expected.device, totalParameters: expected.totalParameters, measured: expected.measured },
    ...{ memoryBytes: expected.memoryBytes, scenarios: expected.scenarios, seeds },
    ...{ directory, runs: runs.length, runsLeft: left.length, seconds, diskBytes: disk },
    present: states.map(({ path, state }) => ({ path, ...state })),
  });
  output.print(
    drawTable({
      head: ['freezing', 'learn', 'of', 'sentences', 'tokens', 'epochs', 'steps', 'about'],
      rows: expected.scenarios.map((one) => [
        one.strategy,
        whole(one.trainableParameters),
        whole(expected.totalParameters),
        Object.values(one.sentences)
          .filter((count) => count !== null)
          .join(' + '),
        whole(one.tokens),
        String(one.epochs),
        whole(one.steps),
        clockText(one.seconds),
      ]),
    }),
  );
  const { secondsPerStep, tokensPerStep } = expected.measured;
  output.print(
    [
      `Time: about ${clockText(seconds)} for ${count(left.length, 'run')} if none stops early, on ${expected.device}; ` +
        `a step of ${Math.round(tokensPerStep)} tokens took ${secondsPerStep.toPrecision(2)} s`,
      memoryText(expected.memoryBytes),
      `Disk: about ${bytesText(disk)} at most`,
      ...(isGrid
        ? [gridText(directory, states, restart)]
        : [presentStateText(directory, states[0]!.state, restart)]),
    ].join('\n'),
  );
}

/** The same of a pretraining. */
export async function showPretrainingDryRun(
  options: Record<string, unknown>,
  { directory, restart }: { directory: string; restart: boolean },
  { output, signal }: CommandContext,
): Promise<void> {
  output.note('Makes a few steps to see what they take …');
  const expected = await forecastPretraining(options, signal);
  const state = await presentState(directory, () => true);
  output.json({ type: 'dry-run', ...expected, directory, present: [{ path: directory, ...state }] });
  const { rows, tokens, steps, measured, seconds, diskBytes: disk } = expected;
  output.print(
    [
      `Text: ${whole(rows.train)} rows to learn from, ${whole(rows.validation)} to measure on`,
      `Model: ${whole(expected.trainableParameters)} of ${whole(expected.totalParameters)} parameters learn`,
      `Course: ${whole(steps)} steps, about ${whole(tokens)} tokens`,
      `Time: about ${clockText(seconds)} of steps on ${expected.device}; one of ` +
        `${Math.round(measured.tokensPerStep)} tokens took ${measured.secondsPerStep.toPrecision(2)} s`,
      memoryText(expected.memoryBytes),
      `Disk: about ${bytesText(disk.best + disk.last + Math.max(disk.best, disk.last))} at most`,
      presentStateText(directory, state, restart),
    ].join('\n'),
  );
}

/** Each file is written beside the one that it replaces; of a grid, one run after another has weights and state. */
function diskBytes(scenarios: readonly ScenarioForecast[], isGrid: boolean): number {
  const ofRun = ({ diskBytes: { best, last } }: ScenarioForecast) => best + last + Math.max(best, last);
  const most = Math.max(...scenarios.map(ofRun));
  return isGrid ? most : ofRun(scenarios[0]!);
}

function gridText(directory: string, states: readonly { state: PresentState }[], restart: boolean): string {
  const [finished, begun] = (['finished', 'begun'] as const).map(
    (kind) => states.filter(({ state }) => state.kind === kind).length,
  ) as [number, number];
  if (restart) return `${directory}: --restart deletes what is there, and begins anew`;
  const there = [
    ...(finished > 0 ? [`${count(finished, 'run')} finished`] : []),
    ...(begun > 0 ? [`${count(begun, 'run')} begun`] : []),
  ];
  return `${directory}: ${there.length === 0 ? 'begins there' : `${there.join(' and ')} of ${states.length}`}`;
}

function memoryText(memory: object): string {
  const parts = Object.entries(memory as Record<string, number>);
  const total = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  return `Memory: about ${bytesText(total)} of the engine (${parts.map(([name, bytes]) => `${name} ${bytesText(bytes)}`).join(', ')})`;
}

function bytesText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`;
}

function whole(value: number): string {
  return value.toLocaleString('en');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
