import { type EntitySpan, spanReader } from './entity-spans.js';

/**
 * What became of an entity. The kinds are those of MUC-5 (Chinchor & Sundheim 1993: correct, incorrect, partial, missing,
 * spurious) with "incorrect" told apart by what is wrong, as SemEval-2013 task 9.1 scores it:
 *
 * - `correct`: gold and predicted agree in first word, last word and type;
 * - `type`: they agree in first and last word, not in type;
 * - `boundary`: they overlap and agree in type, not in first and last word;
 * - `both`: they overlap and agree in nothing;
 * - `missed`: a gold entity that no prediction is left for;
 * - `spurious`: a prediction that no gold entity is left for.
 */
export type ErrorKind = (typeof ERROR_KINDS)[number];

export const ERROR_KINDS = ['correct', 'type', 'boundary', 'both', 'missed', 'spurious'] as const;

/** A gold entity and the prediction that it is compared with; one of them alone where it is missed or spurious. */
export interface PairedEntity {
  kind: ErrorKind;
  gold: EntitySpan | null;
  predicted: EntitySpan | null;
}

/**
 * Pairs the gold and the predicted entities of a sentence, each with at most one of the other side: equal ones first, then
 * those of equal words, then overlapping ones of one type, then overlapping ones, the larger overlap before the smaller
 * and the left before the right. So every gold entity counts once among `correct`, `type`, `boundary`, `both` and
 * `missed`, and every prediction once among the first four and `spurious`.
 *
 * @param gold entities in order, none of which overlap; so are those of `predicted`.
 */
export function pairEntities(gold: readonly EntitySpan[], predicted: readonly EntitySpan[]): PairedEntity[] {
  const candidates: { kind: ErrorKind; overlap: number; gold: EntitySpan; predicted: EntitySpan }[] = [];
  for (const g of gold) {
    for (const p of predicted) {
      const overlap = Math.min(g.end, p.end) - Math.max(g.start, p.start);
      if (overlap > 0) candidates.push({ kind: kindOf(g, p), overlap, gold: g, predicted: p });
    }
  }
  const rank = (kind: ErrorKind) => ERROR_KINDS.indexOf(kind);
  candidates.sort(
    (a, b) => rank(a.kind) - rank(b.kind) || b.overlap - a.overlap || a.gold.start - b.gold.start,
  );
  const taken = new Set<EntitySpan>();
  const pairs: PairedEntity[] = [];
  for (const { kind, gold, predicted } of candidates) {
    if (taken.has(gold) || taken.has(predicted)) continue;
    taken.add(gold).add(predicted);
    pairs.push({ kind, gold, predicted });
  }
  const left = (spans: readonly EntitySpan[]) => spans.filter((span) => !taken.has(span));
  return [
    ...pairs,
    ...left(gold).map((span): PairedEntity => ({ kind: 'missed', gold: span, predicted: null })),
    ...left(predicted).map((span): PairedEntity => ({ kind: 'spurious', gold: null, predicted: span })),
  ];
}

/** Entities of each kind. */
export type ErrorKindCounts = Record<ErrorKind, number>;

/** Counts the kinds sentence by sentence, as seqeval's default mode reads tags. */
export class ErrorCounter {
  readonly counts = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as ErrorKindCounts;
  readonly #spansOf = spanReader({});

  /** @returns what became of the sentence's entities, in the order of its words. */
  add(gold: readonly string[], predicted: readonly string[]): PairedEntity[] {
    const pairs = pairEntities(this.#spansOf(gold), this.#spansOf(predicted));
    for (const { kind } of pairs) this.counts[kind]++;
    const firstOf = (pair: PairedEntity) =>
      Math.min(...[pair.gold, pair.predicted].map((span) => span?.start ?? Infinity));
    return pairs.sort((a, b) => firstOf(a) - firstOf(b));
  }
}

function kindOf(gold: EntitySpan, predicted: EntitySpan): ErrorKind {
  const sameWords = gold.start === predicted.start && gold.end === predicted.end;
  const sameType = gold.type === predicted.type;
  if (sameWords) return sameType ? 'correct' : 'type';
  return sameType ? 'boundary' : 'both';
}
