import { Presets, SingleBar } from 'cli-progress';
import type { Metrics } from '../evaluation/metrics.js';
import type { GridEvent, RunPosition } from '../experiment/run-grid.js';
import { portionText } from '../experiment/scenario.js';
import type { SearchEvent } from '../experiment/search/search.js';
import type { FreezeEvent, TrainingResult } from '../training/events.js';
import type { TrainingEvent } from '../training/finetune.js';
import type { MaskingScores } from '../training/masking-task.js';
import type { PretrainEvent } from '../training/pretrain.js';
import type { Output } from './output.js';
import { unusedText } from './unused-text.js';

/** Shows the events of a grid: a bar with the time left, plain lines, or JSON lines, as the output has it. */
export interface GridProgress {
  on(event: GridEvent): void;
  /** Removes the bar; call it also after a failure. */
  stop(): void;
}

/** Tells after a failure what is kept of a training under way, if anything. */
class KeptState {
  #text: string | null = null;

  on(event: ProgressEvent): void {
    if (event.type === 'run-done') this.#text = null;
    if (event.type !== 'run-event' || event.event.type !== 'checkpoint' || event.event.kind !== 'last')
      return;
    const { epoch, step, path } = event.event;
    this.#text = `The state of epoch ${epoch}, step ${step} is kept in ${path}; the same command goes on from there.`;
  }

  tell(output: Output): void {
    if (this.#text !== null) output.note(this.#text);
  }
}

/** What a single training tells of itself, whatever it trains for. */
type RunEvent = TrainingEvent | PretrainEvent;

/** The events of a grid, with those of any training in them. */
type ProgressEvent =
  | Exclude<GridEvent, { type: 'run-event' }>
  | { type: 'run-event'; run: string; event: RunEvent };

interface EventProgress {
  on(event: ProgressEvent): void;
  stop(): void;
}

const BAR_STEPS = 1000;
/** Events that a person wants to keep beside the bar. */
const NOTED = new Set<RunEvent['type']>(['resume', 'done']);

export function gridProgress(output: Output): GridProgress {
  if (output.mode === 'json') return { on: (event) => output.json(eventLine(event)), stop: () => {} };
  return output.mode === 'terminal' ? barProgress(output) : lineProgress(output);
}

/** Each record has been a line already when the grid ends. */
function eventLine(event: GridEvent): object {
  return event.type === 'grid-done'
    ? { ...event, records: event.records.map((record) => record.run) }
    : event;
}

/** Shows the events of a single training until it is over. @returns what the training returns. */
export function showTraining<Result>(
  output: Output,
  events: AsyncGenerator<RunEvent, Result>,
  { strategy, seed }: { strategy: string; seed: number },
): Promise<Result> {
  const { on, stop } = trainingProgress(output, strategy, seed);
  const show = (event: RunEvent) => {
    const left = event.type === 'freeze' ? unusedText(event.unused ?? []) : null;
    if (left !== null) output.note(left);
    on(event);
  };
  return showEvents(output, { on: show, stop }, events, (event) => ({ type: 'run-event', run: '', event }));
}

/** The same for a grid or a search. @param onEvent hears of each event of the grid first. */
export function showGrid<Result>(
  output: Output,
  events: AsyncGenerator<SearchEvent, Result>,
  onEvent: (event: GridEvent) => void = () => {},
): Promise<Result> {
  const progress = gridProgress(output);
  const show = (event: SearchEvent) => {
    // The caller shows the answer itself.
    if (event.type === 'search-done') return;
    onEvent(event);
    progress.on(event);
  };
  return showEvents(output, { on: show, stop: () => progress.stop() }, events, (event) =>
    event.type === 'search-done' ? null : event,
  );
}

/** Shows events until they end; after a failure tells what is kept of a training under way. */
async function showEvents<Event, Result>(
  output: Output,
  progress: { on(event: Event): void; stop(): void },
  events: AsyncGenerator<Event, Result>,
  ofGrid: (event: Event) => ProgressEvent | null,
): Promise<Result> {
  const kept = new KeptState();
  try {
    for (;;) {
      const next = await events.next();
      if (next.done) return next.value;
      progress.on(next.value);
      const event = ofGrid(next.value);
      if (event !== null) kept.on(event);
    }
  } catch (error) {
    progress.stop();
    kept.tell(output);
    throw error;
  } finally {
    progress.stop();
  }
}

/** The same as for a grid, for a single training. */
export function trainingProgress(
  output: Output,
  strategy: string,
  seed: number,
): { on(event: RunEvent): void; stop(): void } {
  if (output.mode === 'json') return { on: (event) => output.json(event), stop: () => {} };
  const progress = output.mode === 'terminal' ? barProgress(output) : lineProgress(output);
  if (output.mode === 'terminal') {
    progress.on({ type: 'grid-start', total: 1, todo: 1, finished: 0, directory: '' });
  }
  progress.on({ type: 'run-start', run: '', strategy, seed, index: 1, total: 1 });
  return { on: (event) => progress.on({ type: 'run-event', run: '', event }), stop: progress.stop };
}

function lineProgress(output: Output): EventProgress {
  const position = new RunLabel();
  return {
    on(event) {
      position.on(event);
      const line = event.type === 'run-event' ? trainingLine(event.event) : gridLine(event);
      if (line !== null) output.note(event.type === 'run-event' ? `${position.label}: ${line}` : line);
    },
    stop: () => {},
  };
}

function barProgress(output: Output): EventProgress {
  const bar = new SingleBar(
    {
      stream: output.stderr as NodeJS.WriteStream,
      format: '{bar} {percentage}% | {label} | {state} | {left}',
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  const position = new RunLabel();
  const share = new GridShare(() => performance.now());
  let state = 'starting';
  let hasBegun = false;
  bar.start(BAR_STEPS, 0, { label: '', state, left: '' });
  return {
    on(event) {
      position.on(event);
      share.on(event);
      if (event.type === 'record-damaged') output.note(gridLine(event)!);
      if (event.type === 'run-event') {
        const { type } = event.event;
        // Of a grid's runs the first says what learns, and where, for all.
        if (NOTED.has(type) || (type === 'freeze' && !hasBegun)) output.note(trainingLine(event.event)!);
        hasBegun ||= type === 'freeze';
      }
      if (event.type === 'run-start') state = 'loading';
      if (event.type === 'run-event') state = trainingState(event.event) ?? state;
      const left = share.secondsLeft();
      bar.update(Math.round(share.value * BAR_STEPS), {
        label: position.label,
        state,
        left: left === null ? '' : `${formatSeconds(left)} left`,
      });
    },
    stop: () => bar.stop(),
  };
}

/** Remembers which run the events belong to. */
class RunLabel {
  label = '';

  on(event: ProgressEvent): void {
    if (event.type !== 'run-start') return;
    this.label = runText(event);
  }
}

/** `[3/15] bottom-up:6, 50 sentences, seed 42`. */
function runText(position: RunPosition): string {
  const { index, total, strategy, seed } = position;
  const portion = portionText(position);
  return `[${index}/${total}] ${strategy}${portion && `, ${portion}`}, seed ${seed}`;
}

/** Which share of the runs that were left is done, and how long the rest takes at the pace so far. */
export class GridShare {
  #todo = 0;
  #done = 0;
  #ofRun = 0;
  #isFirstStep = true;
  /** What earlier processes had done of the runs, as shares of them. */
  #doneBefore = 0;
  readonly #now: () => number;
  #started: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#started = now();
  }

  on(event: ProgressEvent): void {
    if (event.type === 'grid-start') {
      this.#todo = event.todo;
      this.#started = this.#now();
    } else if (event.type === 'run-start') {
      this.#isFirstStep = true;
    } else if (event.type === 'run-done') {
      this.#done++;
      this.#ofRun = 0;
    } else if (event.type === 'run-event' && event.event.type === 'step') {
      const { step, totalSteps } = event.event;
      if (this.#isFirstStep) this.#doneBefore += (step - 1) / totalSteps;
      this.#isFirstStep = false;
      this.#ofRun = step / totalSteps;
    }
  }

  /** 0 to 1. */
  get value(): number {
    return this.#todo === 0 ? 1 : Math.min(1, (this.#done + this.#ofRun) / this.#todo);
  }

  /** Null as long as there is nothing to go by. */
  secondsLeft(): number | null {
    const here = this.value - this.#doneBefore / Math.max(1, this.#todo);
    if (here < 0.005) return null;
    return (((this.#now() - this.#started) / 1000) * (1 - this.value)) / here;
  }
}

function trainingState(event: RunEvent): string | null {
  if (event.type === 'step') return `epoch ${event.epoch}, loss ${event.loss.toFixed(4)}`;
  if (event.type === 'epoch') return `epoch ${event.epoch}, evaluating`;
  return null;
}

/** One line for what is worth a line in a log; null for single steps. */
export function trainingLine(event: RunEvent): string | null {
  switch (event.type) {
    case 'freeze':
      return freezeLine(event);
    case 'epoch':
      return `epoch ${event.epoch}, training loss ${event.trainLoss.toFixed(4)}, ${event.trainSeconds.toFixed(1)} s`;
    case 'evaluation':
      return `epoch ${event.epoch}, ${event.split}${scoresText(event.metrics)}`;
    case 'resume':
      return event.finished
        ? `${event.path}: finished before, nothing to do`
        : `goes on from epoch ${event.epoch}, step ${event.step} (${event.path})`;
    case 'done':
      return doneLine(event.result);
    default:
      return null;
  }
}

/** When and why it ended, what it kept, and what one should know of it. */
function doneLine(result: TrainingResult<unknown>): string {
  const { epochs, steps, stoppedEarly, bestEpoch, bestStep, evaluations, warnings } = result;
  const after = evaluations.length - 1 - evaluations.findIndex(({ step }) => step === bestStep);
  const why = stoppedEarly ? `stopped early, ${after} evaluations after the best one` : 'all steps done';
  const kept = `kept the weights of epoch ${bestEpoch}, step ${bestStep}`;
  const line = `${why}: ${epochs.length} epochs, ${steps} steps; ${kept}`;
  return [line, ...warnings.map((warning) => `warning: ${warning}`)].join('\n');
}

function scoresText(metrics: Metrics | MaskingScores): string {
  if ('perplexity' in metrics) {
    return ` loss ${metrics.loss.toFixed(4)}, perplexity ${metrics.perplexity.toFixed(2)}`;
  }
  return (
    `: macro F1 ${metrics.macro.f1.toFixed(4)}, entity F1 ${metrics.entities.micro.f1.toFixed(4)}, ` +
    `accuracy ${metrics.accuracy.toFixed(4)}`
  );
}

/** New tokens that the line about them holds. */
const NAMED_TOKENS = 5;

function freezeLine(event: FreezeEvent): string {
  const { stage, reason, trainableParameters, totalParameters, freshParameters, freshLabels = [] } = event;
  const { freshTokens = [] } = event;
  const [learn, total, fresh] = [trainableParameters, totalParameters, freshParameters].map((count) =>
    count.toLocaleString('en'),
  );
  const drawn =
    freshLabels.length > 0
      ? `; the head keeps its rows of the labels that it knows, those of ${freshLabels.join(', ')} start afresh`
      : freshParameters > 0 && freshParameters < totalParameters
        ? `; the checkpoint has no such head: its ${fresh} parameters start afresh`
        : '';
  const tokens =
    freshTokens.length > 0
      ? `; the checkpoint has no rows for ${freshTokens.length} tokens, which start afresh: ` +
        `${freshTokens.slice(0, NAMED_TOKENS).join(' ')}${freshTokens.length > NAMED_TOKENS ? ' …' : ''}`
      : '';
  const change = stage > 1 ? `stage ${stage} (${reason}): ` : '';
  return `${change}${learn} of ${total} parameters learn${stage > 1 ? '' : ` on ${event.device}${drawn}${tokens}`}`;
}

function gridLine(event: Exclude<GridEvent, { type: 'run-event' }>): string | null {
  switch (event.type) {
    case 'grid-start':
      return `${event.total} runs, ${event.finished} finished before, ${event.todo} to do; ${event.directory}`;
    case 'record-damaged':
      return `warning: ${event.message}`;
    case 'run-skipped':
      return `${runText(event)}: finished before`;
    case 'run-start':
      return null;
    case 'run-done':
      return `${runText(event)}: done in ${formatSeconds(event.record.seconds.total)}, ${event.record.secondsPerEpoch.toFixed(2)} s an epoch`;
    case 'grid-done':
      return `grid done in ${formatSeconds(event.seconds)}`;
  }
}

/** `8 s`, `2 min 05 s`, `1 h 02 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
