import type { GridEvent, RunPosition, Worker } from '../../experiment/run-grid.js';
import { portionText } from '../../experiment/scenario.js';
import type { TrainingEvent } from '../../training/finetune.js';
import { MetricsLines } from '../../training/log/metrics-lines.js';
import type { PretrainEvent } from '../../training/pretrain.js';
import type { Output } from '../output.js';
import { checkpointTexts, freezeText, RunView, Screen } from './run-view.js';
import { GridCourse } from './time-left.js';

/** What a single training tells of itself, whatever it trains for. */
export type RunEvent = TrainingEvent | PretrainEvent;

/** Shows the events of a training: finished lines and a live one, or the same as lines of a log. */
export class TrainingView {
  readonly #view: RunView;
  readonly #lines = new MetricsLines(1);

  constructor(view: RunView) {
    this.#view = view;
  }

  on(event: RunEvent): void {
    const line = event.type === 'done' ? this.#lines.end(event.result) : this.#lines.of(event);
    if (event.type === 'freeze') {
      this.#view.note(freezeText(event));
      for (const text of checkpointTexts(event)) this.#view.once(text);
    }
    if (event.type === 'resume') this.#view.note(resumeText(event));
    if (line !== null) this.#view.on(line);
    if (event.type === 'done') for (const text of event.result.warnings) this.#view.note(`warning: ${text}`);
  }
}

function resumeText({ finished, path, epoch, step }: Extract<RunEvent, { type: 'resume' }>): string {
  return finished
    ? `${path}: finished before, nothing to do`
    : `goes on from epoch ${epoch}, step ${step} (${path})`;
}

/** Shows the events of a grid, run by run. */
export class GridView {
  readonly #output: Output;
  readonly #screen: Screen;
  readonly #now: () => number;
  #course: GridCourse | null = null;
  #run: TrainingView | null = null;

  /** @param now in seconds */
  constructor(output: Output, now = () => performance.now() / 1000) {
    this.#output = output;
    this.#screen = new Screen(output);
    this.#now = now;
  }

  on(event: GridEvent): void {
    if (event.type === 'grid-start') this.#course = new GridCourse(event.todo, this.#now);
    if (event.type === 'run-start') this.#begin(event);
    if (event.type === 'run-event') this.#run!.on(event.event);
    if (event.type === 'run-done') this.#course!.end();
    if (event.type === 'run-found') this.#course!.endElsewhere();
    if (event.type === 'run-lost') this.#course!.leave();
    const line = gridLine(event);
    if (line !== null) this.#output.note(line);
  }

  #begin(position: RunPosition): void {
    const place = `[${position.index}/${position.total}]`;
    const view = new RunView(this.#screen, { label: runText(position), place, all: this.#course! });
    this.#course!.begin(view.course);
    this.#run = new TrainingView(view);
    view.draw();
  }
}

function gridLine(event: GridEvent): string | null {
  switch (event.type) {
    case 'grid-start':
      return `${event.total} runs, ${event.finished} finished before, ${event.todo} to do; ${event.directory}`;
    case 'record-damaged':
      return `warning: ${event.message}`;
    case 'run-skipped':
      return `${runText(event)}: finished before`;
    case 'run-elsewhere':
      return `${runText(event)}: under way by ${workerText(event.worker)}`;
    case 'run-found':
      return `${runText(event)}: done by another process`;
    case 'run-start':
      return event.from === undefined ? null : `${runText(event)}: taken over from ${workerText(event.from)}`;
    case 'run-lost':
      return `warning: ${runText(event)}: ${event.message}`;
    case 'run-done':
      return `${runText(event)}: done in ${formatSeconds(event.record.seconds.total)}, ${event.record.secondsPerEpoch.toFixed(2)} s an epoch`;
    case 'grid-done':
      return `grid done in ${formatSeconds(event.seconds)}`;
    default:
      return null;
  }
}

/** `[3/15] bottom-up:6, 50 sentences, seed 42`. */
export function runText(position: Omit<RunPosition, 'run'>): string {
  const { index, total, strategy, seed } = position;
  const portion = portionText(position);
  return `[${index}/${total}] ${strategy}${portion && `, ${portion}`}, seed ${seed}`;
}

/** `node3:4711`, a process by its machine and its id. */
export function workerText({ host, pid }: Worker): string {
  return `${host}:${pid}`;
}

/** `8 s`, `2 min 05 s`, `1 h 02 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
