import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// A reader of TensorBoard's event files that shares nothing with the writer: checksums bit by bit, fields by hand.

/** A scalar as a chart has it. */
export interface Scalar {
  step: number;
  value: number;
  wallTime: number;
}

/** CRC-32C by polynomial division, rotated and shifted as records have it. */
function maskedChecksum(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ ((crc & 1n) * 0x82f63b78n);
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (bytes.readUInt32LE(at + 8) !== maskedChecksum(bytes.subarray(at, at + 8)))
      throw new Error(`record at ${at}: the checksum of its length is wrong`);
    if (bytes.readUInt32LE(at + 12 + length) !== maskedChecksum(data))
      throw new Error(`record at ${at}: the checksum of its data is wrong`);
    records.push(data);
    at += length + 16;
  }
  return records;
}

type Value = number | Buffer;

function fields(message: Buffer): Map<number, Value[]> {
  const found = new Map<number, Value[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  const sized = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = varint();
    const [field, wire] = [key >> 3, key & 7];
    const value: Value =
      wire === 0
        ? varint()
        : wire === 1
          ? sized(8).readDoubleLE()
          : wire === 5
            ? sized(4).readFloatLE()
            : sized(varint());
    found.set(field, [...(found.get(field) ?? []), value]);
  }
  return found;
}

const number = (of: Map<number, Value[]>, field: number) => (of.get(field)?.[0] as number | undefined) ?? 0;

/**
 * Scalars by tag of all event files of a folder, as TensorBoard shows them: a session that starts with a step takes the
 * place of what earlier files have from that step on.
 *
 * @throws Error where a record is damaged or a file does not begin with its version
 */
export function readEventFiles(folder: string): Map<string, Scalar[]> {
  let scalars: (Scalar & { tag: string })[] = [];
  for (const name of readdirSync(folder).sort()) {
    const [head, ...events] = recordsOf(readFileSync(join(folder, name))).map(fields);
    if (head?.get(3)?.[0]?.toString() !== 'brain.Event:2') throw new Error(`${name}: no version`);
    for (const event of events) {
      const [wallTime, step] = [number(event, 1), number(event, 2)];
      const session = event.get(7)?.[0] as Buffer | undefined;
      if (session && number(fields(session), 1) === 1)
        scalars = scalars.filter((scalar) => scalar.step < step);
      const summary = event.get(5)?.[0] as Buffer | undefined;
      for (const value of summary ? (fields(summary).get(1) ?? []) : []) {
        const entry = fields(value as Buffer);
        scalars.push({
          tag: (entry.get(1)![0] as Buffer).toString(),
          step,
          value: number(entry, 2),
          wallTime,
        });
      }
    }
  }
  const byTag = new Map<string, Scalar[]>();
  for (const { tag, ...scalar } of scalars) byTag.set(tag, [...(byTag.get(tag) ?? []), scalar]);
  return byTag;
}
