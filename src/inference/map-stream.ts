/** A promise that says whether it has settled. */
interface Watched<T> {
  promise: Promise<T>;
  settled: boolean;
}

/**
 * Applies an asynchronous function to the items of a stream, several ahead, and gives the results in order, each as
 * soon as it and those before it are there. Reads no further than `ahead` items beyond the last result taken.
 *
 * @param signal ends the stream with its reason, also while the source is silent.
 */
export async function* mapStream<Item, Result>(
  items: AsyncIterable<Item>,
  apply: (item: Item) => Promise<Result>,
  ahead: number,
  signal?: AbortSignal,
): AsyncGenerator<Result, void, undefined> {
  let wake = () => {};
  const watch = <T>(promise: Promise<T>): Watched<T> => {
    const watched = { promise, settled: false };
    const settle = () => {
      watched.settled = true;
      wake();
    };
    promise.then(settle, settle);
    return watched;
  };
  const onAbort = () => wake();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', onAbort, { once: true });
  const source = items[Symbol.asyncIterator]();
  const results: Watched<Result>[] = [];
  let next: Watched<IteratorResult<Item>> | null = watch(source.next());
  try {
    while (next !== null || results.length > 0) {
      signal?.throwIfAborted();
      if (results[0]?.settled) {
        yield await results.shift()!.promise;
      } else if (next?.settled && results.length < ahead) {
        const item: IteratorResult<Item> = await next.promise;
        if (!item.done) results.push(watch(apply(item.value)));
        next = item.done ? null : watch(source.next());
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    // Not awaited: a source that waits for something would hold up whoever leaves the stream.
    if (next !== null) source.return?.().catch(() => undefined);
  }
}
