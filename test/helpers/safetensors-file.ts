import { writeFileSync } from 'node:fs';
import { readTensorFile } from './tensors.js';

/** A tensor as bytes, ready to be written. */
export interface RawTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** The fp32 tensors of a file, as bytes. */
export function rawTensors(file: string): RawTensor[] {
  return readTensorFile(file).map(({ name, shape, data }) => ({
    name,
    shape,
    dtype: 'F32',
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
}

/** Writes a safetensors file, independently of the code under test; `spoil` may damage its header. */
export function writeTensorFile(
  file: string,
  tensors: readonly RawTensor[],
  spoil: (header: Header) => void = () => {},
): void {
  const header: Header = {};
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  spoil(header);
  writeRawFile(file, JSON.stringify(header), Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** Writes any text as header; `claim` is the length that the file says it has. */
export function writeRawFile(file: string, header: string, data: Uint8Array, claim?: bigint): void {
  const text = Buffer.from(header, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claim ?? BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, text, data]));
}

/** fp32 bytes cut to bfloat16, as their upper halves. */
export function toBfloat16(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length / 2);
  for (let i = 0; i < result.length; i += 2) result.set(bytes.subarray(2 * i + 2, 2 * i + 4), i);
  return result;
}

/** fp32 bytes as fp16, rounded towards zero; for values whose fp16 is normal or zero. */
export function toFloat16(bytes: Uint8Array): Uint8Array {
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  const bits = new Uint32Array(values.buffer);
  const result = Uint16Array.from(bits, (word) => {
    const sign = (word >>> 16) & 0x8000;
    const exponent = ((word >>> 23) & 0xff) - 127 + 15;
    return exponent <= 0 ? sign : sign | (exponent << 10) | ((word >>> 13) & 0x3ff);
  });
  return new Uint8Array(result.buffer);
}
