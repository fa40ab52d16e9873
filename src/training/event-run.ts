/** Something under way: its events, and its result. */
export interface EventRun<Event, Result> extends AsyncIterable<Event> {
  /** Resolves when it is over, whether or not anybody iterates. */
  readonly result: Promise<Result>;
}

/**
 * Starts work that yields events and returns a result, and drives it to its end by itself.
 *
 * Each iteration sees all events from the first one; leaving it does not stop the work.
 *
 * @param start makes the work; what it throws rejects the result.
 * @param done the event that ends a work which succeeded.
 */
export function startRun<Event, Result>(
  start: () => AsyncGenerator<Event, Result>,
  done: (result: Result) => Event,
): EventRun<Event, Result> {
  const events: Event[] = [];
  let over = false;
  let wake = withResolvers();

  const notify = () => {
    wake.resolve();
    wake = withResolvers();
  };

  const run = async (): Promise<Result> => {
    try {
      const work = start();
      while (true) {
        const next = await work.next();
        if (next.done) {
          events.push(done(next.value));
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
