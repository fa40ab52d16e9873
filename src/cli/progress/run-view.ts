import type { Metrics } from '../../evaluation/metrics.js';
import type { MetricsLine, MetricsLineOf } from '../../training/log/metrics-line.js';
import type { MaskingScores } from '../../training/masking-task.js';
import type { Output } from '../output.js';
import { unusedText } from '../unused-text.js';
import { EvaluationRows, frozenText } from './evaluation-rows.js';
import { barText, clockText, fitSegments, lossText, type Segment, shortNumber } from './live-line.js';
import { RunCourse } from './time-left.js';

/** Rows after which the head of their columns is shown again. */
const ROWS_A_HEAD = 20;
/** Characters of the bar. */
const LEAST_BAR = 10;
const MOST_BAR = 30;
/** Between two lines about how far it has come, in a log, seconds. */
const LOG_INTERVAL = 30;

/** How far all has come of which a run is a part. */
export interface Course {
  /** 0 to 1. */
  readonly share: number;
  readonly secondsLeft: number | null;
}

/** What the views of several runs share: whose lines came last, and the columns that stand over them. */
export class Screen {
  rows: EvaluationRows | null = null;
  rowsShown = 0;
  #columns: number | null = null;
  #label = '';
  readonly #said = new Set<string>();

  constructor(readonly output: Output) {}

  /** Whether the head of a row's columns is due: they are those of the terminal's width. */
  needsHead(row: MetricsLineOf<'evaluation'>): boolean {
    const { columns } = this.output;
    if (this.rows !== null && columns === this.#columns) return this.rowsShown % ROWS_A_HEAD === 0;
    this.#columns = columns;
    this.rows = new EvaluationRows(row, columns === null ? null : columns - 1);
    this.rowsShown = 0;
    return true;
  }

  /** A line of a run, which is named where the last line was another's. */
  note(label: string, text: string): void {
    this.output.note(`${label}: ${text}`);
    this.#label = label;
  }

  /** A line that several runs have in common. */
  once(text: string): void {
    if (!this.#said.has(text)) this.output.note(text);
    this.#said.add(text);
  }

  /** A row of a run, below the lines of that run. */
  row(label: string, text: string): void {
    if (label !== this.#label) this.output.note(`${label}:`);
    this.#label = label;
    this.output.note(text);
  }
}

/** Shows a run by its lines: a finished line each evaluation, and a live one of how far it has come. */
export class RunView {
  readonly course = new RunCourse();
  readonly #screen: Screen;
  readonly #label: string;
  readonly #place: string;
  readonly #all: Course;
  #step: MetricsLineOf<'step'> | null = null;
  #scores: Metrics | MaskingScores | null = null;
  #frozen = '';
  #isEvaluating = false;
  /** Losses of the steps since the last evaluation: those of an epoch that was closed, or their sum. */
  #trainLoss: number | null = null;
  #lossSum = 0;
  #losses = 0;
  #loggedAt = 0;

  /**
   * @param label names the run in front of its lines
   * @param place its place among others, such as `[2/15]`, for the live line
   * @param all what the time left is told of; the run alone where there is nothing else
   */
  constructor(screen: Screen, { label, place = '', all }: { label: string; place?: string; all?: Course }) {
    this.#screen = screen;
    this.#label = label;
    this.#place = place;
    this.#all = all ?? this.course;
  }

  /** Shows what a line tells, but for plans of freezing, of which events know more; see {@link freezeText} and {@link checkpointTexts}. */
  on(line: MetricsLine): void {
    this.course.on(line);
    if (line.type === 'stage') this.#frozen = frozenText(line.plan);
    if (line.type === 'step') this.#onStep(line);
    if (line.type === 'epoch') {
      this.#trainLoss = line.trainLoss;
      this.#isEvaluating = true;
    }
    if (line.type === 'evaluation') this.#onEvaluation(line);
    if (line.type === 'done') this.note(this.#doneText(line));
    else this.draw();
  }

  note(text: string): void {
    this.#screen.note(this.#label, text);
  }

  /** The same of what holds for several runs: once for all of them. */
  once(text: string): void {
    this.#screen.once(text);
  }

  /** Draws the live line. */
  draw(): void {
    this.#screen.output.status((columns) => fitSegments(this.#segments(columns), columns));
  }

  #onStep(line: MetricsLineOf<'step'>): void {
    this.#step = line;
    this.#isEvaluating = false;
    this.#lossSum += line.loss;
    this.#losses++;
    if (this.#loggedAt === 0) this.#loggedAt = line.time;
    if (this.#screen.output.mode !== 'plain' || line.time - this.#loggedAt < LOG_INTERVAL) return;
    this.#loggedAt = line.time;
    this.note(fitSegments(this.#figures(), Number.POSITIVE_INFINITY));
  }

  #onEvaluation(line: MetricsLineOf<'evaluation'>): void {
    const { output } = this.#screen;
    const isValidation = line.split === 'validation';
    const mean = this.#losses === 0 ? null : this.#lossSum / this.#losses;
    const trainLoss = isValidation ? (this.#trainLoss ?? mean) : null;
    if (this.#screen.needsHead(line)) {
      this.#screen.row(this.#label, output.styled('dim', this.#screen.rows!.head()));
    }
    const text = this.#screen.rows!.row({ evaluation: line, trainLoss, frozen: this.#frozen });
    this.#screen.row(this.#label, isValidation && line.best ? output.styled('bold', text) : text);
    this.#screen.rowsShown++;
    if (!isValidation) return;
    this.#scores = line.metrics;
    [this.#trainLoss, this.#lossSum, this.#losses, this.#isEvaluating] = [null, 0, 0, false];
  }

  /** In the order in which they stand; the bar takes what room there is. */
  #segments(columns: number): Segment[] {
    const { share } = this.#all;
    const segments = [
      { text: `${Math.floor(100 * share)}%`.padStart(4), priority: 5 },
      { text: this.#place, priority: 6 },
      ...this.#figures(),
    ];
    const room = columns - fitSegments(segments, columns).length - 2;
    const bar = room >= LEAST_BAR ? barText(share, Math.min(MOST_BAR, room)) : '';
    return [{ text: bar, priority: 9 }, ...segments];
  }

  #figures(): Segment[] {
    const { secondsLeft } = this.#all;
    const eta = { text: `ETA ${secondsLeft === null ? '-:--' : clockText(secondsLeft)}`, priority: 0 };
    const scores = { text: scoreText(this.#scores), priority: 2 };
    if (this.#step === null) return [{ text: 'starting', priority: 1 }, scores, eta];
    const { epoch, step, totalSteps, loss, learningRate, tokensPerSecond } = this.#step;
    return [
      { text: `epoch ${epoch}`, priority: 7 },
      { text: `step ${step}/${totalSteps}`, priority: 8 },
      { text: this.#isEvaluating ? 'evaluating' : `loss ${lossText(loss)}`, priority: 1 },
      { text: `lr ${learningRate.toExponential(1)}`, priority: 4 },
      { text: `${shortNumber(tokensPerSecond)} tok/s`, priority: 3 },
      scores,
      eta,
    ];
  }

  #doneText({ stoppedEarly, epoch, step, bestEpoch, bestStep }: MetricsLineOf<'done'>): string {
    const why = stoppedEarly ? `stopped early in epoch ${epoch}, step ${step}` : `all ${step} steps done`;
    return `${why}; kept epoch ${bestEpoch}, step ${bestStep}`;
  }
}

function scoreText(scores: Metrics | MaskingScores | null): string {
  if (scores === null) return '';
  return 'perplexity' in scores ? `ppl ${lossText(scores.perplexity)}` : `F1 ${scores.macro.f1.toFixed(4)}`;
}

/** New tokens that a line about them names. */
const NAMED_TOKENS = 5;

/** What a plan of freezing lets learn, and of the first one where. */
export function freezeText(event: {
  stage: number;
  reason: string;
  trainableParameters: number;
  totalParameters: number;
  device: string;
}): string {
  const { stage, reason, trainableParameters, totalParameters, device } = event;
  const learn = `${counted(trainableParameters)} of ${counted(totalParameters)} parameters learn`;
  return stage > 1 ? `stage ${stage} (${reason}): ${learn}` : `${learn} on ${device}`;
}

/** What of a checkpoint is not taken, and what it lacks and starts afresh: a sentence each. */
export function checkpointTexts(event: {
  totalParameters: number;
  unused?: readonly string[];
  freshParameters?: number;
  freshLabels?: readonly string[];
  freshTokens?: readonly string[];
}): string[] {
  const { totalParameters, unused = [], freshParameters = 0, freshLabels = [], freshTokens = [] } = event;
  const left = unusedText(unused);
  const texts = left === null ? [] : [left];
  if (freshLabels.length > 0) {
    texts.push(
      `the head keeps its rows of the labels that it knows, those of ${freshLabels.join(', ')} start afresh`,
    );
  } else if (freshParameters > 0 && freshParameters < totalParameters) {
    texts.push(`the checkpoint has no such head: its ${counted(freshParameters)} parameters start afresh`);
  }
  if (freshTokens.length > 0) {
    const more = freshTokens.length > NAMED_TOKENS ? ' …' : '';
    const named = freshTokens.slice(0, NAMED_TOKENS).join(' ') + more;
    texts.push(`the checkpoint has no rows for ${freshTokens.length} tokens, which start afresh: ${named}`);
  }
  return texts;
}

const counted = (count: number) => count.toLocaleString('en');
