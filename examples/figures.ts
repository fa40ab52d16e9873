// The figures of a training's events as a tracker takes them: names, values, and the step that they belong to.
import type { TrainingEvent } from 'permafrost';

export interface Figures {
  step: number;
  values: Record<string, number>;
}

/** Named as in the event files that a run with a directory writes for TensorBoard; null where there are none. */
export function figuresOf(event: TrainingEvent): Figures | null {
  switch (event.type) {
    case 'step': {
      const { step, loss, learningRate, gradNorm, tokensPerSecond } = event;
      const values = {
        loss,
        learning_rate: learningRate,
        grad_norm: gradNorm,
        tokens_per_second: tokensPerSecond,
      };
      return { step, values: withPrefix('train', values) };
    }
    case 'evaluation': {
      const { step, split, loss, metrics } = event;
      const scores = {
        macro_f1: metrics.macro.f1,
        entities_micro_f1: metrics.entities.micro.f1,
        accuracy: metrics.accuracy,
      };
      return { step, values: withPrefix(split, loss === null ? scores : { loss, ...scores }) };
    }
    case 'freeze':
      return { step: event.step, values: { 'train/trainable_parameters': event.trainableParameters } };
    default:
      return null;
  }
}

function withPrefix(prefix: string, values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}
