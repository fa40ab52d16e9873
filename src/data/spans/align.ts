import { formatError, shown } from '../format-error.js';
import type { RawSentence } from '../normalize.js';
import type { CheckedReadOptions } from '../reader-options.js';
import type { ReadingNotes } from '../reading-notes.js';
import type { WordPlace } from '../sentence.js';
import { wordPlaces } from '../split-words.js';
import { unitsOf } from '../units.js';
import { selectSpans, tagsOfSpans, type WordSpan } from './select.js';

/** A part of a text with a type, by the offsets of its file. */
export interface TextSpan {
  start: number;
  end: number;
  type: string;
  /** The part's text, where the file tells it. */
  text?: string | undefined;
  /** Whether the file has it in parts, between which other words stand. */
  isParted?: boolean;
  /** Where the span is written, where that is not where the text is. */
  at?: Origin;
}

/** A line of a file. */
export interface Origin {
  file: string;
  line: number;
}

/** A text with its spans. */
export interface TextRecord {
  text: string;
  spans: readonly TextSpan[];
  /** 1-based line, or number of the row, for messages. */
  line: number;
  document?: string | undefined;
  /** What the spans' offsets count from, in the file's units, where that is not the beginning of `text`. */
  textStart?: number;
}

/**
 * Cuts a text into words and gives them the tags of its spans, in IOB2: a border inside a word widens the span to the
 * word, a span without a word is left out, of those that overlap the longer stays.
 *
 * @param notes takes what was changed or left out.
 * @returns null where the text has no word.
 * @throws DATA_FORMAT for offsets that lie outside of the text, or whose text is another one than the file says.
 */
export function alignSpans(
  record: TextRecord,
  { offsets, nested = 'outermost' }: Pick<CheckedReadOptions, 'offsets' | 'nested'>,
  file: string,
  notes: ReadingNotes,
): RawSentence | null {
  const { text, spans, line, document, textStart } = record;
  const places = wordPlaces(text);
  if (places.length === 0) {
    notes.add('wordless', { file, line }, shown(text));
    return null;
  }
  const words = places.map(([start, end]) => text.slice(start, end));
  const units = spans.length > 0 ? unitsOf(text) : null;
  const aligned: (WordSpan & { of: TextSpan })[] = [];
  for (const span of spans) {
    const at = span.at ?? { file, line };
    const [start, end] = placeOfSpan(span, record, units, offsets, at);
    requireText(span, [start, end], record, units, offsets, at, notes);
    const first = countBefore(places, 1, start + 1);
    const stop = countBefore(places, 0, end) - 1;
    if (end <= start || stop < first) {
      notes.add('empty', at, told(span));
      continue;
    }
    if (span.isParted) notes.add('parted', at, told(span));
    if (places[first]![0] < start || places[stop]![1] > end) {
      notes.add('widened', at, `${told(span)} to ${shown(text.slice(places[first]![0], places[stop]![1]))}`);
    }
    aligned.push({ first, last: stop, type: typeOf(span, at, notes), of: span });
  }
  const { kept, left } = selectSpans(aligned, nested);
  for (const { span, kind } of left) notes.add(kind, span.of.at ?? { file, line }, told(span.of));
  return {
    words,
    tags: tagsOfSpans(kept, words.length),
    lines: [line],
    text,
    offsets: places,
    ...(offsets === 'utf16' && { offsetUnit: offsets }),
    ...(textStart ? { textStart } : {}),
    ...(document !== undefined && { document }),
  };
}

/** Words of a text whose spans are not wanted; there may be none, since whoever asks for words has an answer for each text. */
export function wordsOfText(
  text: string,
  line: number,
  document?: string,
  unit: CheckedReadOptions['offsets'] = 'codepoints',
): RawSentence {
  const offsets = wordPlaces(text);
  return {
    words: offsets.map(([start, end]) => text.slice(start, end)),
    tags: offsets.map(() => 'O'),
    lines: [line],
    text,
    offsets,
    ...(unit === 'utf16' && { offsetUnit: unit }),
    ...(document !== undefined && { document }),
  };
}

/** Begin and end in UTF-16 units. */
function placeOfSpan(
  span: TextSpan,
  { text, textStart = 0 }: TextRecord,
  units: Int32Array | null,
  unit: CheckedReadOptions['offsets'],
  { file, line }: Origin,
): [number, number] {
  const toUnits = unit === 'codepoints' ? units : null;
  const length = toUnits === null ? text.length : toUnits.length - 1;
  const [start, end] = [span.start - textStart, span.end - textStart];
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= length) {
    return toUnits === null ? [start, end] : [toUnits[start]!, toUnits[end]!];
  }
  throw formatError(
    file,
    line,
    `expected a span between ${textStart} and ${textStart + length} (${UNITS[unit]} of the text), got ${told(span)}. ` +
      'Correct it, or say with `offsets` what the offsets count.',
    { start: span.start, end: span.end, length },
  );
}

const UNITS = { codepoints: 'code points', utf16: 'UTF-16 units' };

/** The text that the file says a span has tells whether offsets count something else. */
function requireText(
  span: TextSpan,
  [start, end]: [number, number],
  { text, textStart = 0 }: TextRecord,
  units: Int32Array | null,
  unit: CheckedReadOptions['offsets'],
  at: Origin,
  notes: ReadingNotes,
): void {
  if (span.text === undefined || span.isParted) return;
  const said = spaced(span.text);
  const isSame = (from: number, to: number) =>
    to - from <= 2 * span.text!.length + 2 && spaced(text.slice(from, to)) === said;
  if (isSame(start, end)) return;
  const [from, to] = [span.start - textStart, span.end - textStart];
  const isOther =
    units !== null && (unit === 'codepoints' ? isSame(from, to) : isSame(units[from] ?? -1, units[to] ?? -1));
  if (!isOther) {
    notes.add('differing', at, `${told(span)}, there ${shown(text.slice(start, end))}`);
    return;
  }
  const other = unit === 'utf16' ? 'codepoints' : 'utf16';
  throw formatError(
    at.file,
    at.line,
    `expected ${shown(span.text)} at ${span.start} to ${span.end} (${UNITS[unit]}), got ${shown(text.slice(start, end))}. ` +
      `The file counts ${UNITS[other]}: give \`offsets: ${other}\`.`,
    { option: 'offsets', expected: span.text },
  );
}

/** Files write line breaks within spans in several ways. */
function spaced(text: string): string {
  return text.replace(/\\n|\s+/g, ' ').trim();
}

/** Number of words whose begin (0) or end (1) lies before a unit. */
function countBefore(places: readonly WordPlace[], side: 0 | 1, unit: number): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle]![side] < unit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A type as tags have it, which hold no white space. */
function typeOf({ type }: TextSpan, at: Origin, notes: ReadingNotes): string {
  if (!/\s/.test(type)) return type;
  const name = type.trim().replace(/\s+/g, '_');
  notes.add('renamed', at, `${shown(type)} to ${name}`);
  return name;
}

function told({ start, end, type, text }: TextSpan): string {
  return `${type} from ${start} to ${end}${text === undefined ? '' : ` (${shown(text)})`}`;
}
