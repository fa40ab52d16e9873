import type { GridEvent } from '../../experiment/run-grid.js';
import type { SearchEvent } from '../../experiment/search/search.js';
import { tellBegun } from '../devices.js';
import type { Output } from '../output.js';
import { GridView, type RunEvent, runText, TrainingView } from './grid-view.js';
import { RunView, Screen } from './run-view.js';

/** Shows the events of a single training until it is over. @returns what the training returns. */
export function showTraining<Result>(
  output: Output,
  events: AsyncGenerator<RunEvent, Result>,
  { strategy, seed }: { strategy: string; seed: number },
): Promise<Result> {
  const kept = new KeptState();
  const label = runText({ index: 1, total: 1, strategy, seed });
  const run = new RunView(new Screen(output), { label });
  const view = new TrainingView(run);
  run.draw();
  return showEvents(output, events, kept, (event) => {
    kept.on(event);
    if (output.mode === 'json') output.json(event);
    else view.on(event);
  });
}

/** The same for a grid or a search. @param onEvent hears of each event of the grid first. */
export function showGrid<Result>(
  output: Output,
  events: AsyncGenerator<SearchEvent, Result>,
  onEvent: (event: GridEvent) => void = () => {},
): Promise<Result> {
  const kept = new KeptState();
  const view = new GridView(output);
  return showEvents(output, events, kept, (event) => {
    // The caller shows the answer itself.
    if (event.type === 'search-done') return;
    onEvent(event);
    if (event.type === 'grid-start') tellBegun();
    if (event.type === 'run-event') kept.on(event.event);
    if (event.type === 'run-done') kept.forget();
    if (output.mode === 'json') output.json(eventLine(event));
    else view.on(event);
  });
}

/** Each record has been a line already when the grid ends. */
function eventLine(event: GridEvent): object {
  return event.type === 'grid-done'
    ? { ...event, records: event.records.map((record) => record.run) }
    : event;
}

/** Shows events until they end; after a failure tells what is kept of a training under way. */
async function showEvents<Event, Result>(
  output: Output,
  events: AsyncGenerator<Event, Result>,
  kept: KeptState,
  show: (event: Event) => void,
): Promise<Result> {
  try {
    for (;;) {
      const next = await events.next();
      if (next.done) return next.value;
      show(next.value);
    }
  } catch (error) {
    kept.tell(output);
    throw error;
  } finally {
    output.status(null);
  }
}

/** Tells after a failure what is kept of a training under way, if anything. */
class KeptState {
  #text: string | null = null;

  on(event: RunEvent): void {
    if (event.type !== 'checkpoint' || event.kind !== 'last') return;
    const { epoch, step, path } = event;
    this.#text = `The state of epoch ${epoch}, step ${step} is kept in ${path}; the same command goes on from there.`;
  }

  forget(): void {
    this.#text = null;
  }

  tell(output: Output): void {
    if (this.#text !== null) output.note(this.#text);
  }
}
