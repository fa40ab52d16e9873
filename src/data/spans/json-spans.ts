import { isObject, type Json } from '../../io/json.js';
import { SPAN_COLUMNS, TEXT_COLUMNS } from '../column-names.js';
import { formatError, listed, shown } from '../format-error.js';
import { type CheckedReadOptions, keyOption } from '../reader-options.js';
import type { ReadingNotes } from '../reading-notes.js';
import type { TextRecord, TextSpan } from './align.js';

const STARTS = ['start', 'start_offset', 'begin', 'start_char'];
const ENDS = ['end', 'end_offset', 'end_char'];
const TYPES = ['label', 'type', 'labels', 'entity', 'tag', 'entity_group', 'entity_type'];

/** Keys of text and spans that were named. */
export interface TextKeys {
  text: readonly string[];
  spans: readonly string[] | undefined;
}

/** @throws INVALID_OPTION for a number */
export function textKeys(file: string, options: CheckedReadOptions): TextKeys {
  return {
    text: keyOption(file, options, 'tokenColumn') ?? TEXT_COLUMNS,
    spans: keyOption(file, options, 'tagColumn'),
  };
}

/** Whether a value is a text with spans, as doccano, Prodigy, Label Studio and spaCy have them, or a text alone. */
export function isTextRecord(value: unknown, { text }: TextKeys): boolean {
  if (Array.isArray(value)) return value.length === 2 && typeof value[0] === 'string';
  return isObject(value) && (isTask(value) || text.some((key) => typeof value[key] === 'string'));
}

/**
 * Reads a text with its spans.
 *
 * @param wantsSpans whether what was not annotated, or was rejected, is left out.
 * @returns null for such; `isAnnotated` says whether there was a list of spans, which tools leave out where it is empty.
 * @throws DATA_FORMAT for spans that are none, and a text that cannot be told.
 */
export function textRecordOf(
  value: unknown,
  { keys, line, file, wantsSpans, notes }: JsonPlace,
): (TextRecord & { isAnnotated: boolean }) | null {
  const place = { keys, line, file, wantsSpans, notes };
  if (Array.isArray(value)) {
    const [text, annotations] = value as [string, unknown];
    return recordOf({ text, ...(isObject(annotations) && annotations) }, place);
  }
  const record = value as Json;
  if (isTask(record)) return taskOf(record, place);
  if (wantsSpans && (record.answer === 'reject' || record.answer === 'ignore')) {
    notes.add('unanswered', { file, line }, `answer ${record.answer}`);
    return null;
  }
  return recordOf(record, place);
}

/** Where a value stands, and how it is read. */
export interface JsonPlace {
  keys: TextKeys;
  line: number;
  file: string;
  wantsSpans: boolean;
  notes: ReadingNotes;
}

function recordOf(
  record: Json,
  { keys, line, file, wantsSpans }: JsonPlace,
): TextRecord & { isAnnotated: boolean } {
  const key = keys.text.find((name) => typeof record[name] === 'string');
  if (key === undefined) {
    throw formatError(
      file,
      line,
      `expected a text in ${keys.text.map((name) => JSON.stringify(name)).join(' or ')}, got the keys ` +
        `${listed(Object.keys(record)) || '(none)'}. Name the key with \`tokenColumn\`.`,
    );
  }
  const found = wantsSpans ? spanList(record, keys.spans, file, line) : [];
  return {
    text: record[key] as string,
    spans: (found ?? []).flatMap((item) => spansOf(item, file, line)),
    line,
    document: documentOf(record),
    isAnnotated: found !== null,
  };
}

/** The document that a record says it is of, by any name or number. */
export function documentOf({ document }: Json): string | undefined {
  return typeof document === 'string' || typeof document === 'number' ? String(document) : undefined;
}

function spanList(
  record: Json,
  named: readonly string[] | undefined,
  file: string,
  line: number,
): unknown[] | null {
  const known = (named ?? SPAN_COLUMNS).find((key) => Array.isArray(record[key]));
  if (known !== undefined) return record[known] as unknown[];
  if (named !== undefined && record[named[0]!] != null) {
    throw formatError(
      file,
      line,
      `expected a list of spans in "${named[0]}", got ${shown(record[named[0]!])}.`,
    );
  }
  // Label Studio names the list as the project does.
  const other = named === undefined ? Object.values(record).find(isSpanList) : undefined;
  return (other as unknown[] | undefined) ?? null;
}

function isSpanList(value: unknown): boolean {
  const first = Array.isArray(value) ? value[0] : null;
  return isObject(first) && STARTS.some((key) => Number.isInteger(first[key]));
}

function spansOf(item: unknown, file: string, line: number): TextSpan[] {
  const [start, end, type, text] = Array.isArray(item) ? item : isObject(item) ? partsOf(item) : [];
  const types = Array.isArray(type) ? type : [type];
  const isSpan = typeof start === 'number' && typeof end === 'number' && types.length > 0;
  if (isSpan && types.every((name) => typeof name === 'string' && name.trim() !== '')) {
    return types.map((name) => ({ start, end, type: name, ...(typeof text === 'string' && { text }) }));
  }
  throw formatError(
    file,
    line,
    `expected a span such as [0, 5, "PER"] or {"start": 0, "end": 5, "label": "PER"}, got ${excerpt(item)}. Correct it.`,
  );
}

function partsOf(item: Json): [unknown, unknown, unknown, unknown] {
  const first = (names: readonly string[]) => item[names.find((name) => item[name] !== undefined) ?? ''];
  return [first(STARTS), first(ENDS), first(TYPES), item.text];
}

/** A task of Label Studio: what is annotated stands beside the annotators' results. */
function isTask(record: Json): boolean {
  return isObject(record.data) && Array.isArray(record.annotations ?? record.completions);
}

function taskOf(task: Json, place: JsonPlace): (TextRecord & { isAnnotated: boolean }) | null {
  const { keys, line, file, wantsSpans, notes } = place;
  const data = task.data as Json;
  const answers = ((task.annotations ?? task.completions) as unknown[]).filter(
    (answer): answer is Json => isObject(answer) && answer.was_cancelled !== true,
  );
  if (wantsSpans && answers.length === 0) {
    notes.add('unanswered', { file, line }, `task ${task.id ?? ''}`);
    return null;
  }
  if (wantsSpans && answers.length > 1) notes.add('repeated', { file, line }, `task ${task.id ?? ''}`);
  const results = (wantsSpans ? (answers[0]!.result ?? []) : []) as unknown[];
  const spans = (Array.isArray(results) ? results : []).flatMap((result) => {
    const value = isObject(result) ? result.value : null;
    return isObject(value) && Array.isArray(value.labels) ? [value] : [];
  });
  const texts = Object.keys(data).filter((key) => typeof data[key] === 'string');
  const known = keys.text.some((key) => texts.includes(key));
  // A project may call its only text as it likes.
  const text = known || texts.length !== 1 ? {} : { [keys.text[0]!]: data[texts[0]!] };
  const record = recordOf(
    { ...data, ...text, spans },
    { ...place, keys: { text: keys.text, spans: ['spans'] } },
  );
  return record;
}

function excerpt(item: unknown): string {
  const text = JSON.stringify(item) ?? String(item);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
