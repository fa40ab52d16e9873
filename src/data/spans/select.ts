import type { NoteKind } from '../reading-notes.js';

/** An entity over the words `first` to `last` of a sentence, both included. */
export interface WordSpan {
  first: number;
  last: number;
  type: string;
}

/** Which of entities within entities are kept, see the option `nested`. */
export type Nested = 'outermost' | 'innermost' | number;

export interface Selection<Span> {
  /** Disjoint, by their places. */
  kept: Span[];
  left: { span: Span; kind: Extract<NoteKind, 'nested' | 'overlapping'> }[];
}

/**
 * Chooses among spans those of one layer, of which no two share a word: of spans that overlap, or are equal, the longer
 * one stays, then the earlier one.
 */
export function selectSpans<Span extends WordSpan>(spans: readonly Span[], nested: Nested): Selection<Span> {
  const isWanted = nested === 'outermost' ? () => true : layerFilter(spans, nested);
  const chosen = spans.filter(isWanted);
  const left: Selection<Span>['left'] = spans
    .filter((span) => !isWanted(span))
    .map((span) => ({ span, kind: 'nested' }));
  const lengthOf = ({ first, last }: WordSpan) => last - first;
  const kept: Span[] = [];
  for (const span of chosen.sort((a, b) => lengthOf(b) - lengthOf(a) || a.first - b.first)) {
    // The kept spans are disjoint and in order: only the last one that begins at or before this one's end may share words.
    const index = firstAfter(kept, span.last);
    const other = kept[index - 1];
    if (other === undefined || other.last < span.first) {
      kept.splice(index, 0, span);
      continue;
    }
    const isWithin = other.first <= span.first && span.last <= other.last;
    const isSame = other.first === span.first && span.last === other.last;
    left.push({ span, kind: isWithin && !isSame ? 'nested' : 'overlapping' });
  }
  return { kept, left };
}

/** Index of the first span that begins behind a word. */
function firstAfter(spans: readonly WordSpan[], word: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.first > word) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether a span is of the innermost layer, or of the one with a number. */
function layerFilter(spans: readonly WordSpan[], nested: 'innermost' | number): (span: WordSpan) => boolean {
  const sorted = [...spans].sort((a, b) => a.first - b.first || b.last - a.last);
  const wanted = new Set<WordSpan>();
  if (nested === 'innermost') {
    // From behind: the nearest end of those that begin no earlier. An equal span is no inner one.
    let nearest = Number.POSITIVE_INFINITY;
    for (let i = sorted.length - 1; i >= 0; i--) {
      const span = sorted[i]!;
      const next = sorted[i + 1];
      const isEqual = next !== undefined && next.first === span.first && next.last === span.last;
      if (isEqual ? wanted.has(next) : nearest > span.last) wanted.add(span);
      nearest = Math.min(nearest, span.last);
    }
  } else {
    let open: WordSpan[] = [];
    for (const span of sorted) {
      open = open.filter(({ last }) => last >= span.first);
      const around = open.filter(
        ({ first, last }) => last >= span.last && (first < span.first || last > span.last),
      );
      if (around.length + 1 === nested) wanted.add(span);
      open.push(span);
    }
  }
  return (span) => wanted.has(span);
}

/** Tags of as many words, in IOB2. @param spans disjoint */
export function tagsOfSpans(spans: readonly WordSpan[], words: number): string[] {
  const tags = new Array<string>(words).fill('O');
  for (const { first, last, type } of spans) {
    tags.fill(`I-${type}`, first, last + 1);
    tags[first] = `B-${type}`;
  }
  return tags;
}

/**
 * The entities of tags of any scheme, as conlleval reads them: one begins at B and S, ends at E and S, and what goes on
 * with nothing of its type begins one.
 */
export function spansOfTags(tags: readonly string[]): WordSpan[] {
  const spans: WordSpan[] = [];
  let isOpen = false;
  for (const [index, tag] of tags.entries()) {
    const prefix = tag.charAt(0);
    if (prefix === 'O') {
      isOpen = false;
      continue;
    }
    const type = tag.slice(2);
    const begins = 'BSU'.includes(prefix) || !isOpen || spans.at(-1)!.type !== type;
    if (begins) spans.push({ first: index, last: index, type });
    else spans.at(-1)!.last = index;
    isOpen = !'ESLU'.includes(prefix);
  }
  return spans;
}
