import type { Sentence } from '../../../src/data/sentence.js';

/** One entity: words `start` up to but not including `end`. */
export interface Span {
  type: string;
  start: number;
  end: number;
}

/** Entities of valid IOB2 tags. */
export function spansOf(tags: readonly string[]): Span[] {
  const spans: Span[] = [];
  tags.forEach((tag, i) => {
    const open = spans.at(-1);
    if (tag.startsWith('B-')) spans.push({ type: tag.slice(2), start: i, end: i + 1 });
    else if (tag.startsWith('I-') && open?.end === i && open.type === tag.slice(2)) open.end = i + 1;
  });
  return spans;
}

export function mentionWords({ words }: Sentence, { start, end }: Span): string[] {
  return words.slice(start, end);
}

/** Tags that break IOB2: an unknown form, or an I- that continues nothing. */
export function invalidTags({ tags }: Sentence): string[] {
  return tags.filter((tag, i) => {
    if (tag === 'O' || /^B-[A-Z_]+$/.test(tag)) return false;
    const type = /^I-([A-Z_]+)$/.exec(tag)?.[1];
    const before = tags[i - 1];
    return type === undefined || (before !== `B-${type}` && before !== `I-${type}`);
  });
}

export function countTypes(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tags } of sentences) {
    for (const { type } of spansOf(tags)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

/** Share of mentions with at least one word that occurs nowhere in train. */
export function unseenShare(train: readonly Sentence[], test: readonly Sentence[]): number {
  const known = new Set(train.flatMap(({ words }) => words));
  const unseen = test.flatMap((sentence) =>
    spansOf(sentence.tags).map((span) => mentionWords(sentence, span).some((word) => !known.has(word))),
  );
  return unseen.filter((isUnseen) => isUnseen).length / unseen.length;
}

/** Micro F1 over whole entities. */
export function entityF1(gold: readonly Sentence[], predicted: readonly string[][]): number {
  let hits = 0;
  let numGold = 0;
  let numPredicted = 0;
  gold.forEach(({ tags }, i) => {
    const wanted = new Set(spansOf(tags).map(spanKey));
    const got = spansOf(predicted[i]!).map(spanKey);
    numGold += wanted.size;
    numPredicted += got.length;
    hits += got.filter((key) => wanted.has(key)).length;
  });
  return (2 * hits) / (numGold + numPredicted);
}

/** Tags every word as train tags it most often; words new to train are O. */
export function mostFrequentTags(train: readonly Sentence[], test: readonly Sentence[]): string[][] {
  const counts = new Map<string, Map<string, number>>();
  for (const { words, tags } of train) {
    for (const [i, word] of words.entries()) count(counts, word, tags[i]!);
  }
  return test.map(({ words }) => words.map((word) => mostFrequent(counts.get(word)) ?? 'O'));
}

/** Marks the longest strings that are names in train with their most frequent type, whatever stands around. */
export function nameListTags(train: readonly Sentence[], test: readonly Sentence[]): string[][] {
  const names = new Map<string, Map<string, number>>();
  for (const sentence of train) {
    for (const span of spansOf(sentence.tags))
      count(names, mentionWords(sentence, span).join(' '), span.type);
  }
  const longest = Math.max(...[...names.keys()].map((name) => name.split(' ').length));
  return test.map(({ words }) => {
    const tags = words.map(() => 'O');
    for (let start = 0; start < words.length; ) {
      let end = Math.min(words.length, start + longest);
      while (end > start && !names.has(words.slice(start, end).join(' '))) end--;
      const type = mostFrequent(names.get(words.slice(start, end).join(' ')));
      for (let i = start; i < end; i++) tags[i] = `${i === start ? 'B' : 'I'}-${type}`;
      start = Math.max(end, start + 1);
    }
    return tags;
  });
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function spanKey({ type, start, end }: Span): string {
  return `${type}:${start}-${end}`;
}

function count(counts: Map<string, Map<string, number>>, key: string, value: string): void {
  const row = counts.get(key) ?? new Map<string, number>();
  counts.set(key, row.set(value, (row.get(value) ?? 0) + 1));
}

function mostFrequent(row: ReadonlyMap<string, number> | undefined): string | undefined {
  return row === undefined
    ? undefined
    : [...row].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
