import type { FinetuneResult, TrainingEvent } from './events.js';
import { type FinetuneOptions, parseFinetuneOptions } from './options.js';
import { train } from './train.js';

/** A training under way: its events, and its result. */
export interface FinetuneRun extends AsyncIterable<TrainingEvent> {
  /** Resolves when training is over, whether or not anybody iterates. */
  readonly result: Promise<FinetuneResult>;
}

/**
 * Fine-tunes a model: freezing, training with early stopping, evaluation. Starts at once.
 *
 * Each iteration over the run sees all events from the first one. Leaving the iteration does not stop
 * the training; `signal` does, and the run then rejects with its reason.
 *
 * @throws INVALID_OPTION, INVALID_PLAN, LABEL_MISMATCH, NON_FINITE and what the model throws, as rejections
 */
export function finetune(options: FinetuneOptions): FinetuneRun {
  const events: TrainingEvent[] = [];
  let over = false;
  let wake = withResolvers();

  const notify = () => {
    wake.resolve();
    wake = withResolvers();
  };

  const run = async (): Promise<FinetuneResult> => {
    try {
      const training = train(parseFinetuneOptions(options));
      while (true) {
        const next = await training.next();
        if (next.done) {
          events.push({ type: 'done', result: next.value });
          return next.value;
        }
        events.push(next.value);
        notify();
      }
    } finally {
      over = true;
      notify();
    }
  };
  const result = run();
  // Who iterates meets the error there; who awaits the result meets it there.
  result.catch(() => undefined);

  return {
    result,
    async *[Symbol.asyncIterator]() {
      for (let i = 0; ; ) {
        if (i < events.length) yield events[i++]!;
        else if (over) break;
        else await wake.promise;
      }
      await result;
    },
  };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
