import { readFileSync } from 'node:fs';
import type { RaggedBatch } from '../../src/index.js';

export interface Tensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

/** Reads the fp32 tensors of a safetensors file, independently of the code under test. */
export function readTensorFile(file: string): Tensor[] {
  const bytes = readFileSync(file);
  const headerBytes = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString('utf8'));
  return Object.entries(header).flatMap(([name, entry]) => {
    const {
      dtype,
      shape,
      data_offsets: offsets,
    } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    if (name === '__metadata__' || dtype !== 'F32') return [];
    const content = bytes.subarray(8 + headerBytes + offsets[0], 8 + headerBytes + offsets[1]);
    return [{ name, shape, data: new Float32Array(Uint8Array.from(content).buffer) }];
  });
}

export function toLookup(tensors: Tensor[]): Map<string, Tensor> {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

/** A padded batch of the fixtures without its padding. */
export function ragged(batch: {
  input_ids: number[][];
  attention_mask?: number[][];
  labels?: number[][];
}): RaggedBatch {
  const lengths = batch.input_ids.map(
    (ids, i) => batch.attention_mask?.[i]?.reduce((sum, on) => sum + on, 0) ?? ids.length,
  );
  const cut = (rows: number[][]) => rows.map((row, i) => row.slice(0, lengths[i]));
  return { inputIds: cut(batch.input_ids), ...(batch.labels && { labels: cut(batch.labels) }) };
}
