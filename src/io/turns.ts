/** How long a piece of work may hold the event loop. */
const SLICE_MS = 10;

/**
 * Parts long work into slices, between which the event loop has its turn: `if (turns.areDue) await turns.take()` after
 * each small piece.
 */
export class Turns {
  #end = performance.now() + SLICE_MS;

  /** Whether the event loop has waited for long enough. */
  get areDue(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets the event loop do what waits. */
  async take(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#end = performance.now() + SLICE_MS;
  }
}

/** Work in steps: each `yield` is a place where it may stop for others, what it returns is the result. */
export type Steps<Result> = Generator<void, Result, void>;

/** Does all of the work at once. */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Does the work in slices, between which the event loop has its turn. */
export async function inTurns<Result>(steps: Steps<Result>): Promise<Result> {
  const turns = new Turns();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (turns.areDue) await turns.take();
  }
}
