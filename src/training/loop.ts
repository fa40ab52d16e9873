import { PermafrostError } from '../errors/error.js';
import type { Decision } from '../freezing/schedule.js';
import { digestOf } from '../io/digest.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Trainer } from '../model/trainer.js';
import { Calendar } from './calendar.js';
import { Checkpoints } from './checkpoints.js';
import type { RunDirectory } from './directory.js';
import type { EvaluatedSplit, FreezeEvent, ProgressEvent, TrainingEnd, TrainingResult } from './events.js';
import { freezeModel, namesOfLearning } from './freeze-model.js';
import { factsOf, identityOf } from './identity.js';
import type { RunLog } from './log/run-log.js';
import { FrozenPrefix } from './prefix.js';
import { epochTraining, type Progress, resultOf, startProgress } from './progress.js';
import type { Ranks } from './ranks.js';
import { RunEnergy } from './run-energy.js';
import type { TrainingSettings } from './settings.js';
import { sharePrefix } from './share-prefix.js';
import { beginStage, makeTrainer } from './stage-trainer.js';
import { BatchSource, optimizerSteps } from './steps.js';
import { afterEvaluation, shouldStop } from './stopping.js';
import type { Measured, Task } from './task.js';
import { type Phases, TokenRate } from './timing.js';

/**
 * The training loop, whatever it trains: steps, evaluations, the best weights, the state to go on from, changes of the
 * plan, until the last step or early stopping; then the best weights and the test split.
 *
 * What comes next follows from the progress alone, so that a training which goes on from a state takes the same way, and
 * of several ranks each takes it by itself.
 */
export class Training<Scores> {
  readonly #prefix: FrozenPrefix;
  readonly #calendar: Calendar;
  readonly #checkpoints: Checkpoints<Scores>;
  readonly #energy: RunEnergy;
  readonly #log: RunLog | null;
  readonly #ranks: Ranks;
  readonly #rate = new TokenRate();
  #progress: Progress<Scores>;
  #trainer!: Trainer;
  /** Batches of the epoch under way, and where the frozen prefix's outputs of them are kept. */
  #source: BatchSource | null = null;
  #store: PrefixStore | undefined;
  /** The parts of the result that freezing decides. */
  #frozen!: FreezeEvent;
  /** Whether weights and progress are of one moment, between which a change of the plan takes them. */
  #isChanging = false;

  constructor(
    private readonly settings: TrainingSettings,
    private readonly task: Task<Scores>,
    { directory, log, ranks }: { directory: RunDirectory | null; log: RunLog | null; ranks: Ranks },
    private readonly phases: Phases,
  ) {
    const { model, freezing, frozenDropout, saveMinutes } = settings;
    const { numLayers } = model.config;
    this.#prefix = new FrozenPrefix(model, freezing.reachable(numLayers), frozenDropout, task.prefixCache);
    this.#calendar = new Calendar(settings, (epoch) => task.countBatches(epoch));
    this.#checkpoints = new Checkpoints(model, { directory, ranks }, saveMinutes);
    this.#energy = new RunEnergy(settings, ranks);
    this.#log = log;
    this.#ranks = ranks;
    const { state, plan, untilEpoch = settings.epochs } = freezing.start(numLayers);
    const untilStep = this.#calendar.stepsThrough(untilEpoch);
    this.#progress = startProgress(state, { untilStep, plan, reason: freezing.notation });
  }

  async *run(): AsyncGenerator<ProgressEvent<Scores>, TrainingResult<Scores>> {
    yield* this.#begin();
    if (this.#progress.end !== null) return resultOf(this.#progress, this.#progress.end);
    try {
      while (!this.#progress.isOver) {
        yield* this.#train();
        await this.#ranks.throwIfStopped();
        const endsEpoch = this.#calendar.endsEpoch(this.#progress);
        if (endsEpoch) yield this.#closeEpoch();
        const isMeasured = this.#calendar.isEvaluationDue(this.#progress);
        if (isMeasured) yield* this.#evaluate();
        const isInterval = this.#calendar.isIntervalDue(this.#progress);
        if (isMeasured || isInterval) yield* this.#observe({ isMeasured, isInterval, endsEpoch });
        if (this.#progress.stoppedEarly && !endsEpoch) yield this.#closeEpoch();
        const isTimeDue = this.#ranks.isSaveDue(this.#checkpoints.isTimeDue());
        const isDue = this.#calendar.isStateDue(this.#progress) || isTimeDue;
        if (endsEpoch || this.#progress.stoppedEarly) this.#nextEpoch();
        if (endsEpoch || isDue || this.#progress.isOver) yield* this.#save();
      }
      return yield* this.#finish();
    } catch (error) {
      // Wherever the abort came: the engine is at rest, and the progress is that of its last update.
      if (this.#ranks.isStopped) yield* this.#save();
      else if (await this.#isLeftWhole(error)) yield* this.#write();
      throw error;
    }
  }

  /** Freezes, makes the trainer, and puts both where an earlier process stopped. */
  async *#begin(): AsyncGenerator<ProgressEvent<Scores>> {
    const { intervals } = this.settings.freezing;
    // Which takes a while, as it reads all weights.
    const isIdentified = this.#checkpoints.path !== null || this.#ranks.group !== null;
    const identity = isIdentified ? await identityOf(this.settings, this.task, this.#prefix) : null;
    if (identity !== null) await this.#ranks.agree(factsOf(this.settings, this.#prefix, identity));
    const found = await this.#checkpoints.find(identity, intervals !== undefined);
    if (found) this.#progress = found;
    await this.#log?.begin(found, this.#calendar.totalSteps);
    const { loss } = this.task;
    const course = {
      totalSteps: this.#calendar.totalSteps,
      frozenDropout: this.#prefix.trainerDropout,
      loss,
      ranks: this.#ranks,
    };
    this.#trainer = await makeTrainer(this.settings, this.#progress.stages, course);
    yield await this.#freeze();
    if (found) {
      const { epoch, losses, isOver, end, seconds } = found;
      const [step, finished] = [losses.length, end !== null];
      const path = await this.#ranks.tell(async () => this.#checkpoints.path!);
      this.phases.goOnFrom(seconds);
      if (!isOver) await this.#checkpoints.goOn(this.#trainer);
      else if (finished) await this.#checkpoints.restoreBest(this.#trainer);
      yield { type: 'resume', path, epoch, step, finished };
    }
    await this.#energy.begin(this.#progress.energy, this.#progress);
    await this.#sharePrefix();
  }

  /** Steps until something else is due. */
  async *#train(): AsyncGenerator<ProgressEvent<Scores>> {
    const { gradientAccumulation } = this.settings;
    const { epoch, losses, stepsOfEpoch } = this.#progress;
    const done = stepsOfEpoch * gradientAccumulation;
    if (this.#source === null) await this.#expect();
    const shares = () => this.#ranks.sharesOf(this.task.batches(epoch, done));
    this.#source ??= new BatchSource(shares(), this.task.countBatches(epoch) - done);
    const steps = optimizerSteps(this.#trainer, this.#source, {
      numSteps: this.#calendar.stepsAhead(this.#progress),
      accumulation: gradientAccumulation,
      store: this.#store,
      ranks: this.#ranks,
      isSaveDue: () => this.#checkpoints.isTimeDue(),
    });
    for await (const step of this.phases.measureEach('train', steps)) {
      this.#energy.sample();
      losses.push(step.loss);
      this.#progress.stepsOfEpoch++;
      this.#progress.tokens += step.tokens;
      const tokensPerSecond = this.#rate.after(step.tokens, this.phases.seconds('train'));
      const place = { step: losses.length, totalSteps: this.#calendar.totalSteps, epoch };
      yield { type: 'step', ...place, ...step, tokensPerSecond };
    }
  }

  /** Lets a card record the steps of an epoch ahead. */
  async #expect(): Promise<void> {
    // Ranks that train together record nothing, and a CPU has no need to.
    if (this.#trainer.stepsInFlight === 1 || this.#ranks.group !== null) return;
    const shapes = this.task.shapes?.(this.#progress.epoch);
    if (shapes) await this.#trainer.expect(shapes);
  }

  #closeEpoch(): ProgressEvent<Scores> {
    const { epoch, epochs } = this.#progress;
    if (epochs.at(-1)?.epoch !== epoch)
      epochs.push(epochTraining(this.#progress, this.phases.seconds('train')));
    return { type: 'epoch', ...epochs.at(-1)! };
  }

  #nextEpoch(): void {
    const { stoppedEarly, losses } = this.#progress;
    this.#progress.isOver = stoppedEarly || losses.length >= this.#calendar.totalSteps;
    this.#progress.epoch++;
    this.#progress.stepsOfEpoch = 0;
    this.#source = null;
  }

  /** Measures, and keeps the weights where they are the best so far. */
  async *#evaluate(): AsyncGenerator<ProgressEvent<Scores>> {
    const { epoch, losses, evaluations, stopping } = this.#progress;
    const step = losses.length;
    const { predictions, ...measured } = await this.#measure('validation');
    const score = this.task.score(measured.metrics);
    const after = afterEvaluation(stopping, { score, epoch, step });
    const best = after.bestStep === step;
    yield { type: 'evaluation', split: 'validation', epoch, step, ...measured, score, best };
    if (best) {
      const path = await this.phases.measure('save', () => this.#checkpoints.keepBest(predictions));
      yield { type: 'checkpoint', kind: 'best', path, epoch, step, score };
    }
    evaluations.push({ epoch, step, score, ...measured });
    this.#progress.stopping = after;
  }

  /** Lets the schedule decide, and behind an evaluation early stopping. */
  async *#observe(at: { isMeasured: boolean; isInterval: boolean; endsEpoch: boolean }) {
    const { freezing, earlyStopping } = this.settings;
    const { epoch, losses, evaluations, schedule } = this.#progress;
    const [step, { totalSteps }] = [losses.length, this.#calendar];
    const { state, decision } = freezing.observe(schedule, {
      ...{ epoch, step, totalSteps, endsEpoch: at.endsEpoch },
      ...(at.isMeasured && { score: evaluations.at(-1)!.score }),
      ...(at.isInterval && { gradientL1: await this.#trainer.gradientL1() }),
    });
    this.#progress.schedule = state;
    if (at.isInterval) this.#progress.intervals++;
    if (step >= totalSteps) return;
    if (decision !== null) yield* this.#change(decision);
    if (!at.isMeasured || freezing.countsForStopping?.(state) === false) return;
    this.#progress.stoppedEarly = shouldStop(this.#progress.stopping, earlyStopping.patience);
  }

  /** Begins a stage; where something thaws, or it goes back, early stopping counts anew. */
  async *#change(decision: Decision): AsyncGenerator<ProgressEvent<Scores>> {
    const { plan, reason, fromBest, untilEpoch } = decision;
    const { epoch, losses, stages, stopping } = this.#progress;
    const step = losses.length;
    this.#isChanging = true;
    if (fromBest) await this.#checkpoints.restoreBest(this.#trainer, { again: true });
    const first = this.#calendar.endsEpoch(this.#progress) ? epoch + 1 : epoch;
    const untilStep = this.#calendar.stepsThrough(untilEpoch ?? this.settings.epochs);
    const stage = { stage: stages.length + 1, epoch: first, step, untilStep, plan, reason };
    stages.push(stage);
    const learnt = namesOfLearning(this.settings.model);
    yield await this.#freeze();
    const thaws = [...namesOfLearning(this.settings.model)].some((name) => !learnt.has(name));
    if (fromBest || thaws) this.#progress.stopping = { ...stopping, waited: 0 };
    await beginStage(this.#trainer, stage, this.settings.optimizer);
    this.#isChanging = false;
    await this.#sharePrefix();
    await this.#ranks.agree({ stage, schedule: this.#progress.schedule, losses: digestOf(losses) });
  }

  /** Freezes by the plan of the present stage. */
  async #freeze(): Promise<FreezeEvent> {
    const { model, freezing } = this.settings;
    this.#frozen = await freezeModel(model, this.#progress.stages.at(-1)!);
    for (const name of namesOfLearning(model)) this.#checkpoints.learnt.add(name);
    this.#prefix.enter(freezing.reachable(model.config.numLayers, this.#progress.schedule));
    this.#store = this.task.keepPrefix(this.#prefix);
    return this.#frozen;
  }

  /** Has the kept prefix computed in parts, where it serves more than one epoch. */
  async #sharePrefix(): Promise<void> {
    const { epoch, stages, isOver } = this.#progress;
    const { model, freezing } = this.settings;
    const [stage, store] = [stages.at(-1)!, this.#store];
    const isLast = stage.untilStep <= this.#calendar.stepsThrough(Math.max(epoch, stage.epoch));
    // A plan that may change at any interval is left again too soon.
    if (store === undefined || isOver || isLast || freezing.intervals !== undefined) return;
    const share = () => sharePrefix(model, store, this.task.prefixBatches(), this.#ranks);
    await this.phases.measure('train', share);
  }

  /** Brings back the best weights and measures them on the test split. */
  async *#finish(): AsyncGenerator<ProgressEvent<Scores>, TrainingResult<Scores>> {
    const { model } = this.settings;
    const { bestEpoch: epoch, bestStep: step } = this.#progress.stopping;
    const memoryBytes = await model.memory();
    await this.#energy.share();
    this.#energy.end();
    await this.#checkpoints.restoreBest(this.#trainer);
    const test = this.task.hasTest ? await this.#measure('test') : null;
    if (test) {
      const { predictions, ...measured } = test;
      await this.phases.measure('save', () => this.#checkpoints.keepPredictions('test', predictions));
      const score = this.task.score(measured.metrics);
      yield { type: 'evaluation', split: 'test', epoch, step, ...measured, score, best: true };
    }
    const best = this.#progress.evaluations.find((evaluation) => evaluation.step === step)!;
    await this.#ranks.askIfStopped();
    const { trainableParameters, totalParameters } = this.#frozen;
    const end: TrainingEnd<Scores> = {
      test: test?.metrics ?? null,
      warnings: this.task.warnings(best.metrics),
      trainableParameters,
      totalParameters,
      frozenDropout: this.#prefix.dropout,
      prefixStore: this.#prefix.summary(),
      memoryBytes,
      energy: this.#energy.use(this.#progress.tokens),
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      ranks: this.#ranks.summary(),
    };
    this.#progress.end = end;
    yield* this.#save();
    return resultOf(this.#present(), end);
  }

  /** Writes the state, at a moment that all ranks come to. */
  async *#save(): AsyncGenerator<ProgressEvent<Scores>> {
    await this.#energy.share();
    yield* this.#write();
    this.#ranks.saved();
  }

  /** Whether another rank's end has left weights and progress of the last common update here. */
  async #isLeftWhole(error: unknown): Promise<boolean> {
    const isFailure = error instanceof PermafrostError && error.code === 'RANK_FAILED';
    const mayWrite = this.#checkpoints.path !== null && !this.#isChanging && !this.#progress.isOver;
    if (!isFailure || !mayWrite) return false;
    const { updates } = await this.#trainer.position();
    return updates === this.#progress.losses.length;
  }

  async *#write(): AsyncGenerator<ProgressEvent<Scores>> {
    await this.phases.measure('save', async () => this.#log?.flush());
    yield* this.phases.measureEach(
      'save',
      this.#checkpoints.save(this.#trainer, () => this.#present()),
    );
  }

  /** The progress with what is measured all along. */
  #present(): Progress<Scores> {
    return { ...this.#progress, energy: this.#energy.measured(), seconds: this.phases.summary() };
  }

  async #measure(split: EvaluatedSplit): Promise<Measured<Scores> & { seconds: number }> {
    const started = performance.now();
    const { peers } = this.#ranks;
    const measured = await this.phases.measure(split, () => this.task.measure(split, peers));
    return { ...measured, seconds: (performance.now() - started) / 1000 };
  }
}
