import type { Measured } from '../energy/energy-use.js';
import type {
  EpochTraining,
  EvaluationSummary,
  PhaseSeconds,
  Stage,
  StageSummary,
  TrainingEnd,
  TrainingResult,
} from './events.js';
import { STOPPING_START, type StoppingState } from './stopping.js';

/** How far a training has come, beside its weights, moments and position: all that going on needs, as JSON. */
export interface Progress<Scores> {
  /** Epoch under way, from 1, and the optimizer steps that it has done. */
  epoch: number;
  stepsOfEpoch: number;
  /** Of each optimizer step so far. */
  losses: number[];
  tokens: number;
  epochs: EpochTraining[];
  evaluations: EvaluationSummary<Scores>[];
  stopping: StoppingState;
  stages: Stage[];
  /** State of the freezing schedule, and how many of its intervals it has observed. */
  schedule: unknown;
  intervals: number;
  seconds: PhaseSeconds | null;
  energy: Measured | null;
  /** Whether the last step is done; then no weights but the best are needed any more. */
  isOver: boolean;
  stoppedEarly: boolean;
  /** Whether an earlier process began it. */
  resumed: boolean;
  /** What is known when everything is done. */
  end: TrainingEnd<Scores> | null;
}

/** Nothing done. @param first plan of the first stage. */
export function startProgress<Scores>(
  schedule: unknown,
  first: Omit<Stage, 'stage' | 'epoch' | 'step'>,
): Progress<Scores> {
  return {
    epoch: 1,
    stepsOfEpoch: 0,
    losses: [],
    tokens: 0,
    epochs: [],
    evaluations: [],
    stopping: STOPPING_START,
    stages: [{ stage: 1, epoch: 1, step: 0, ...first }],
    schedule,
    intervals: 0,
    seconds: null,
    energy: null,
    isOver: false,
    stoppedEarly: false,
    resumed: false,
    end: null,
  };
}

/** The epoch under way, after its last step. @param trainSeconds of all steps so far */
export function epochTraining(progress: Progress<unknown>, trainSeconds: number): EpochTraining {
  const { epoch, epochs, losses, stepsOfEpoch, tokens } = progress;
  const ofEpoch = losses.slice(losses.length - stepsOfEpoch);
  const before = (of: (epoch: EpochTraining) => number) => epochs.reduce((sum, one) => sum + of(one), 0);
  return {
    epoch,
    trainLoss: ofEpoch.reduce((sum, loss) => sum + loss, 0) / ofEpoch.length,
    trainSeconds: Math.max(0, trainSeconds - before((one) => one.trainSeconds)),
    tokens: tokens - before((one) => one.tokens),
  };
}

/** The result of a training that is over. */
export function resultOf<Scores>(
  progress: Progress<Scores>,
  end: TrainingEnd<Scores>,
): TrainingResult<Scores> {
  const { losses, tokens, epochs, evaluations, stages, stopping, stoppedEarly, resumed } = progress;
  return {
    epochs: epochs.map((epoch) => {
      const within = evaluations.filter((evaluation) => evaluation.epoch === epoch.epoch);
      const validationSeconds = within.reduce((sum, { seconds }) => sum + seconds, 0);
      const { metrics: validation, loss: validationLoss } = within.at(-1)!;
      return { ...epoch, validationSeconds, validation, validationLoss };
    }),
    evaluations,
    stages: stages.map((stage, i) => withScores(stage, stages[i + 1], evaluations)),
    bestEpoch: stopping.bestEpoch,
    bestStep: stopping.bestStep,
    bestScore: stopping.bestScore!,
    stoppedEarly,
    steps: losses.length,
    tokens,
    losses,
    seconds: progress.seconds!,
    resumed,
    ...end,
    // A state of an earlier version does not tell.
    ranks: end.ranks ?? null,
  };
}

/** An evaluation belongs to the stage of the steps that it measures. */
function withScores(
  stage: Stage,
  next: Stage | undefined,
  evaluations: readonly EvaluationSummary<unknown>[],
): StageSummary {
  const last = next?.step ?? Number.POSITIVE_INFINITY;
  const within = evaluations.filter(({ step }) => step > stage.step && step <= last);
  return { ...stage, scores: within.map(({ score }) => score) };
}
