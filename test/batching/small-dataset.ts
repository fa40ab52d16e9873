import type { EncodedDataset } from '../../src/contract/encoded-dataset.js';

/** Examples of the given lengths; token t of example i has id 100 i + t and label t, -100 on the first token. */
export function datasetOf(lengths: number[]): EncodedDataset {
  const offsets = Int32Array.from([0, ...lengths]);
  for (let i = 1; i < offsets.length; i++) offsets[i]! += offsets[i - 1]!;
  const tokens = lengths.flatMap((length, example) =>
    Array.from({ length }, (_, t) => [example, t] as const),
  );
  return {
    size: lengths.length,
    inputIds: Int32Array.from(tokens, ([example, t]) => 100 * example + t),
    labels: Int32Array.from(tokens, ([, t]) => (t === 0 ? -100 : t)),
    wordIds: Int32Array.from(tokens, ([, t]) => t - 1),
    offsets,
    wordCounts: Int32Array.from(lengths, (length) => length - 1),
    truncatedWords: new Int32Array(lengths.length),
  };
}
