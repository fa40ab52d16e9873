import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';

/**
 * Lays examples of a dataset end to end.
 *
 * @param indices examples in the order of the batch; one may come more than once.
 * @returns a batch with labels that shares no memory with the dataset.
 * @throws INVALID_BATCH for no indices, an index outside of the dataset, an example without tokens.
 */
export function packExamples(dataset: EncodedDataset, indices: ArrayLike<number>): PackedBatch {
  const cuSeqlens = bordersOf(dataset, indices);
  const inputIds = new Int32Array(cuSeqlens[indices.length]!);
  const labels = new Int32Array(inputIds.length);
  for (let sequence = 0; sequence < indices.length; sequence++) {
    const start = dataset.offsets[indices[sequence]!]!;
    const end = dataset.offsets[indices[sequence]! + 1]!;
    inputIds.set(dataset.inputIds.subarray(start, end), cuSeqlens[sequence]!);
    labels.set(dataset.labels.subarray(start, end), cuSeqlens[sequence]!);
  }
  return { inputIds, labels, cuSeqlens };
}

/**
 * Lays ragged sequences end to end.
 *
 * @throws INVALID_BATCH for no sequences, an empty one, labels that do not go with the tokens, a value that is no
 * 32-bit integer.
 */
export function packRagged({ inputIds, labels }: RaggedBatch): PackedBatch {
  const rows = inputIds.length;
  if (rows === 0) throw invalid('expected at least one sequence, got none');
  if (labels !== undefined && labels.length !== rows) {
    throw invalid(`expected labels for each of the ${rows} sequences, got labels for ${labels.length}`, {
      expected: rows,
      got: labels.length,
    });
  }
  const cuSeqlens = new Int32Array(rows + 1);
  for (const [sequence, row] of inputIds.entries()) {
    if (row.length === 0) throw emptySequence(sequence);
    const labelled = labels?.[sequence]?.length;
    if (labelled !== undefined && labelled !== row.length) {
      throw invalid(
        `sequence ${sequence}: expected a label for each of its ${row.length} tokens (-100 where a token does not ` +
          `count), got ${labelled} labels`,
        { sequence, expected: row.length, got: labelled },
      );
    }
    cuSeqlens[sequence + 1] = cuSeqlens[sequence]! + row.length;
  }
  return {
    inputIds: flatten('inputIds', inputIds, cuSeqlens),
    ...(labels !== undefined && { labels: flatten('labels', labels, cuSeqlens) }),
    cuSeqlens,
  };
}

/**
 * Checks the form of a packed batch: typed arrays, borders that start at 0, ascend and end at T, one label a token.
 *
 * Ids are not compared with a vocabulary or a label set here; the engine, which knows both, does that.
 *
 * @throws INVALID_BATCH naming the field and the place.
 */
export function checkPackedBatch({ inputIds, labels, cuSeqlens }: PackedBatch): void {
  for (const [field, array] of Object.entries({
    inputIds,
    cuSeqlens,
    ...(labels !== undefined && { labels }),
  })) {
    if (array instanceof Int32Array) continue;
    throw invalid(`${field}: expected an Int32Array, got ${nameOf(array)}`, { field });
  }
  if (cuSeqlens.length < 2)
    throw invalid('cuSeqlens: expected the borders of at least one sequence, got none');
  if (cuSeqlens[0] !== 0) {
    throw invalid(`cuSeqlens: expected to start at 0, got ${cuSeqlens[0]}`, {
      field: 'cuSeqlens',
      got: cuSeqlens[0],
    });
  }
  for (let sequence = 0; sequence + 1 < cuSeqlens.length; sequence++) {
    const [start, end] = [cuSeqlens[sequence]!, cuSeqlens[sequence + 1]!];
    if (end === start) throw emptySequence(sequence);
    if (end < start) {
      throw invalid(
        `cuSeqlens: expected ascending borders, got ${start} before ${end} at sequence ${sequence}`,
        {
          field: 'cuSeqlens',
          sequence,
        },
      );
    }
  }
  const [tokens, last] = [inputIds.length, cuSeqlens[cuSeqlens.length - 1]!];
  if (last !== tokens) {
    throw invalid(`cuSeqlens: expected to end at ${tokens}, the number of tokens, got ${last}`, {
      field: 'cuSeqlens',
      expected: tokens,
      got: last,
    });
  }
  if (labels !== undefined && labels.length !== tokens) {
    throw invalid(
      `labels: expected one for each of the ${tokens} tokens (-100 where a token does not count), got ${labels.length}`,
      { field: 'labels', expected: tokens, got: labels.length },
    );
  }
}

function bordersOf({ size, offsets }: EncodedDataset, indices: ArrayLike<number>): Int32Array {
  if (indices.length === 0) throw invalid('expected the index of at least one example, got none');
  const cuSeqlens = new Int32Array(indices.length + 1);
  for (let sequence = 0; sequence < indices.length; sequence++) {
    const example = indices[sequence]!;
    if (!Number.isInteger(example) || example < 0 || example >= size) {
      throw invalid(
        `expected indices of examples from 0 to ${size - 1}, got ${example} at position ${sequence} of the batch`,
        { position: sequence, got: example, size },
      );
    }
    const length = offsets[example + 1]! - offsets[example]!;
    if (length === 0) throw invalid(`example ${example} has no tokens`, { example });
    cuSeqlens[sequence + 1] = cuSeqlens[sequence]! + length;
  }
  return cuSeqlens;
}

function flatten(field: string, rows: number[][], cuSeqlens: Int32Array): Int32Array {
  const flat = new Int32Array(cuSeqlens[rows.length]!);
  for (const [sequence, row] of rows.entries()) {
    const start = cuSeqlens[sequence]!;
    for (let token = 0; token < row.length; token++) {
      const value = row[token]!;
      flat[start + token] = value;
      if (flat[start + token] === value) continue;
      throw invalid(
        `${field}: expected 32-bit integers, got ${JSON.stringify(value)} at token ${token} of sequence ${sequence}`,
        { field, sequence, token, got: value },
      );
    }
  }
  return flat;
}

function nameOf(value: unknown): string {
  return value === null || value === undefined ? String(value) : Object(value).constructor.name;
}

function emptySequence(sequence: number): PermafrostError {
  return invalid(`sequence ${sequence} is empty. Leave it out, or give it at least one token`, { sequence });
}

function invalid(message: string, details: Record<string, unknown> = {}): PermafrostError {
  return new PermafrostError('INVALID_BATCH', `Batch: ${message}.`, details);
}
