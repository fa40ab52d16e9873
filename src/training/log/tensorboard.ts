import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '../../io/crc32c.js';
import { messageBytes, ProtobufWriter } from '../../io/protobuf.js';
import type { MetricsLine } from './metrics-line.js';

// TensorBoard's event files, of which no library that does without TensorFlow is kept: records of TFRecord
// (tensorflow/core/lib/io/record_writer.h), each an Event (tensorflow/core/util/event.proto).

const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION = { status: 1, start: 1 } as const;

/** Frames an event: length, its checksum, the event, its checksum. */
function recordOf(event: ProtobufWriter): Uint8Array {
  const record = Buffer.alloc(event.length + 16);
  let at = 12;
  for (const part of event.parts) {
    record.set(part, at);
    at += part.length;
  }
  // The length is one of 64 bits, whose upper half no event fills.
  record.writeUInt32LE(event.length, 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.writeUInt32LE(maskedCrc(record.subarray(12, at)), at);
  return record;
}

/** Checksums are stored rotated and shifted, as those of data that hold checksums themselves would be weak. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** What a file of events begins with. */
export function headRecord(time: number): Uint8Array {
  return recordOf(new ProtobufWriter().double(EVENT.wallTime, time).text(EVENT.fileVersion, 'brain.Event:2'));
}

/** Tells that a run goes on with a step: what earlier files say of it and of later ones does not hold. */
export function restartRecord(time: number, step: number): Uint8Array {
  const session = new ProtobufWriter().integer(SESSION.status, SESSION.start);
  return recordOf(eventAt(time, step).message(EVENT.sessionLog, session));
}

/** A line as scalars; null where it has none. */
export function scalarsRecord(line: MetricsLine): Uint8Array | null {
  const scalars = scalarsOf(line);
  if (scalars.length === 0) return null;
  const summary = Buffer.concat(scalars.map(([tag]) => entryOf(tag)));
  let end = 0;
  for (const [tag, value] of scalars) {
    end += entryOf(tag).length;
    summary.writeFloatLE(value, end - FLOAT_BYTES);
  }
  return recordOf(eventAt(line.time, line.step).bytes(EVENT.summary, summary));
}

const FLOAT_BYTES = 4;
const entries = new Map<string, Uint8Array>();

/** A scalar's place in a summary, whose last bytes are its value; the same each time but for these. */
function entryOf(tag: string): Uint8Array {
  const known = entries.get(tag);
  if (known !== undefined) return known;
  const value = new ProtobufWriter().text(VALUE.tag, tag).float(VALUE.simpleValue, 0);
  const entry = messageBytes(new ProtobufWriter().message(SUMMARY_VALUE, value));
  entries.set(tag, entry);
  return entry;
}

function eventAt(time: number, step: number): ProtobufWriter {
  return new ProtobufWriter().double(EVENT.wallTime, time).integer(EVENT.step, step);
}

/** Tags and values, such as `train/loss`, `validation/macro_f1`, `validation_types/LOC_f1`. */
export function scalarsOf(line: MetricsLine): [tag: string, value: number][] {
  switch (line.type) {
    case 'stage':
      return [['train/trainable_parameters', line.trainableParameters]];
    case 'step':
      return [
        ['train/loss', line.loss],
        ['train/learning_rate', line.learningRate],
        ['train/grad_norm', line.gradNorm],
        ['train/tokens_per_second', line.tokensPerSecond],
      ];
    case 'epoch':
      return [
        ['train/epoch_loss', line.trainLoss],
        ['train/epoch_seconds', line.trainSeconds],
      ];
    case 'evaluation': {
      const { split, loss, metrics } = line;
      const scores = scoresOf(metrics).map(([path, value]): [string, number] => [tagOf(split, path), value]);
      return loss === null || 'loss' in metrics ? scores : [[`${split}/loss`, loss], ...scores];
    }
    case 'done':
      return [];
  }
}

/** Every score among nested ones; how many items each rests on is none. */
function* scoresIn(value: object, path: readonly string[] = []): Generator<[string[], number]> {
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'support' || name === 'counts') continue;
    if (typeof inner === 'number') yield [[...path, name], inner];
    else if (typeof inner === 'object' && inner !== null) yield* scoresIn(inner, [...path, name]);
  }
}

const scoresOf = (metrics: object) => [...scoresIn(metrics)];

/** Scores by label or type stand in groups of their own, under the names of the data. */
function tagOf(split: string, path: readonly string[]): string {
  const at = path.findIndex((name) => name === 'labels' || name === 'types');
  if (at < 0) return `${split}/${path.map(snakeCase).join('_')}`;
  const group = path.slice(0, at + 1).map(snakeCase);
  return `${split}_${group.join('_')}/${path.slice(at + 1).join('_')}`;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const FILE_NAME = /^events\.out\.tfevents\.(\d+)\./;

/** A name for one more file of events in a folder, which comes behind those that are there in the order of names. */
export async function nextEventFile(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const seconds = names.map((name) => Number(FILE_NAME.exec(name)?.[1] ?? 0));
  const now = Math.max(Math.floor(Date.now() / 1000), ...seconds.map((second) => second + 1));
  return join(folder, `events.out.tfevents.${String(now).padStart(10, '0')}.${hostname()}.${process.pid}.0`);
}

/** Deletes the files of events in a folder, and nothing else. */
export async function removeEventFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (FILE_NAME.test(name)) await rm(join(folder, name), { force: true });
}
