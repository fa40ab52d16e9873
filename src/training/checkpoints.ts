import { type Prediction, writePredictions } from '../evaluation/predictions.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { Trainer } from '../model/trainer.js';
import { arithmeticOf, warnOfOther } from './arithmetic.js';
import type { RunDirectory } from './directory.js';
import type { CheckpointEvent, EvaluatedSplit } from './events.js';
import { requireSame } from './identity.js';
import type { Progress } from './progress.js';
import type { Ranks } from './ranks.js';
import {
  type Arithmetic,
  readState,
  restoreState,
  type StoredState,
  writeFinalState,
  writeState,
} from './state-file.js';

/**
 * What a training keeps of itself: the best weights, in its directory or else in a snapshot of the engine, and with a
 * directory the state to go on from. Of several ranks the first keeps both for all, and gives them back to all.
 */
export class Checkpoints<Scores> {
  /** Names of the parameters that learn or have learnt. */
  readonly learnt = new Set<string>();
  readonly #model: EncoderModel;
  readonly #directory: RunDirectory | null;
  readonly #saveMilliseconds: number;
  readonly #ranks: Ranks;
  #identity: object = {};
  #arithmetic: Arithmetic = null;
  #stored: StoredState<Scores> | null = null;
  #savedAt = performance.now();
  #savedStep = -1;

  /** @param directory of the first rank, which alone has one. */
  constructor(
    model: EncoderModel,
    { directory, ranks }: { directory: RunDirectory | null; ranks: Ranks },
    saveMinutes: number,
  ) {
    this.#model = model;
    this.#directory = directory;
    this.#ranks = ranks;
    this.#saveMilliseconds = saveMinutes * 60_000;
  }

  /** The directory, where there is one. */
  get path(): string | null {
    return this.#directory?.path ?? null;
  }

  /**
   * Finds the progress that an earlier process left in the directory, and makes sure of room for what will be written.
   *
   * @param identity all that decides the bits of the training, as JSON; null where nothing is kept.
   * @param hasSums whether the state has a sum of gradients of each weight beside its two moments.
   * @throws RUN_MISMATCH, WEIGHTS_FORMAT, WRITE_FAILED
   */
  async find(identity: object | null, hasSums: boolean): Promise<Progress<Scores> | null> {
    return this.#ranks.tell(() => this.#find(identity, hasSums));
  }

  async #find(identity: object | null, hasSums: boolean): Promise<Progress<Scores> | null> {
    if (this.#directory === null || identity === null) return null;
    this.#stored = await readState(this.#directory.state);
    this.#identity = JSON.parse(JSON.stringify(identity)) as object;
    this.#arithmetic = await arithmeticOf(this.#model);
    if (this.#stored !== null) {
      requireSame(this.#directory.path, this.#stored.identity, this.#identity);
      warnOfOther(this.#directory.path, this.#stored.arithmetic, this.#arithmetic);
    }
    // Weights, both moments and sums of all that may come to learn.
    const weights = 4 * this.#model.parameters().reduce((sum, { count }) => sum + count, 0);
    await this.#directory.requireRoom({ best: weights, state: (hasSums ? 4 : 3) * weights });
    return this.#stored && { ...this.#stored.progress, resumed: true };
  }

  /** Puts weights, moments and position where the state that was found has them, under its plan. */
  async goOn(trainer: Trainer): Promise<void> {
    await this.#ranks.onFirst(async () => {
      const names = await restoreState(this.#directory!.state, this.#model, trainer, this.#stored!);
      for (const name of names) this.learnt.add(name);
    });
    if (this.#ranks.group) await trainer.broadcast('state');
  }

  /**
   * Keeps the present weights in place of earlier ones, which stay until the new ones are whole, and what they answer on
   * the validation data. Killed between the two, the training comes here again.
   *
   * @throws WRITE_FAILED
   */
  async keepBest(predictions?: Iterable<Prediction>): Promise<string | null> {
    if (!this.#ranks.isFirst) return null;
    if (this.#directory === null) await this.#model.takeSnapshot();
    else await this.#model.save(this.#directory.best);
    await this.keepPredictions('validation', predictions);
    return this.#directory?.best ?? null;
  }

  /** Writes what the best weights answer, where there is a directory and the task has answers. @throws WRITE_FAILED */
  async keepPredictions(split: EvaluatedSplit, predictions?: Iterable<Prediction>): Promise<void> {
    if (this.#directory === null || predictions === undefined) return;
    await writePredictions(this.#directory.predictions(split), predictions);
  }

  /** Puts the best weights back into the model. @param again whether they may be asked for once more. */
  async restoreBest(trainer: Trainer, { again = false }: { again?: boolean } = {}): Promise<void> {
    await this.#ranks.onFirst(() => this.#restoreBest(again));
    if (this.#ranks.group) await trainer.broadcast('weights');
  }

  async #restoreBest(again: boolean): Promise<void> {
    if (this.#directory !== null) return this.#model.loadWeights(this.#directory.best);
    await this.#model.restoreSnapshot();
    if (again) await this.#model.takeSnapshot();
  }

  /** Whether a state is due by the clock. */
  isTimeDue(): boolean {
    return this.#directory !== null && performance.now() - this.#savedAt >= this.#saveMilliseconds;
  }

  /** Writes the state, where there is a directory and the state is not there yet; the engine must be at rest. */
  async *save(trainer: Trainer, present: () => Progress<Scores>): AsyncGenerator<CheckpointEvent> {
    if (this.#directory === null) return;
    const progress = present();
    const { epoch, losses, stopping, isOver } = progress;
    const step = losses.length;
    if (this.#savedStep === step && !isOver) return;
    const path = this.#directory.state;
    const saved = { identity: this.#identity, progress, arithmetic: this.#arithmetic };
    if (isOver) await writeFinalState(path, saved);
    else await writeState(path, { model: this.#model, trainer, names: this.learnt }, saved);
    [this.#savedAt, this.#savedStep] = [performance.now(), step];
    yield { type: 'checkpoint', kind: 'last', path, epoch, step, score: stopping.bestScore };
  }
}
