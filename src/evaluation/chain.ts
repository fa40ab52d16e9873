/** Scores of a linear chain over C labels, as logarithms. */
export interface LabelChain {
  /** Of each label at the beginning, shape [C]. */
  start: Float64Array;
  /** Of each label behind each: [from, to], shape [C, C]. */
  transitions: Float64Array;
  /** Of each label at the end, shape [C]. */
  end: Float64Array;
}

/**
 * What a tag costs that is not well-formed where it stands: so much that a chain has as few of them as can be, and none
 * where there is another way. Sums of it stay exact.
 */
const FORBIDDEN = -(2 ** 24);

/**
 * The rules of the labels' scheme as scores: 0 for what may follow, {@link FORBIDDEN} for what may not.
 *
 * IOB2: `I-x` continues `B-x` or `I-x`. IOBES and BILOU: what `B-x` opens goes on with `I-x` until `E-x` (`L-x`), and
 * `S-x` (`U-x`) stands alone; a type without an end among the labels has IOB2's rule. Where a type has `I-x` and no `B-x`
 * the labels are IOB1's, in which `I-x` may begin and `B-x` only part two entities of one type.
 *
 * @param labels of each id; one without a prefix, such as `O`, may stand anywhere.
 */
export function schemeChain(labels: readonly string[]): LabelChain {
  const size = labels.length;
  const parts = labels.map(partsOf);
  const has = (prefix: string, type: string) =>
    parts.some((part) => part.prefix === prefix && part.type === type);
  const isIob1 = parts.some(({ prefix, type }) => prefix === 'I' && !has('B', type));
  const continues = parts.map(({ prefix }) => (isIob1 ? prefix === 'B' : prefix === 'I' || prefix === 'E'));
  const isOpen = parts.map(({ prefix, type }) => 'BI'.includes(prefix) && prefix !== '' && has('E', type));
  const inEntity = parts.map(({ prefix }) => prefix === 'B' || prefix === 'I');
  const sameType = (from: number, to: number) => parts[from]!.type === parts[to]!.type;
  const transitions = new Float64Array(size * size);
  for (let from = 0; from < size; from++) {
    for (let to = 0; to < size; to++) {
      const joins = inEntity[from]! && sameType(from, to);
      const breaks = (continues[to]! && !joins) || (isOpen[from]! && !(continues[to]! && joins));
      if (breaks) transitions[from * size + to] = FORBIDDEN;
    }
  }
  const forbidden = (flags: readonly boolean[]) => Float64Array.from(flags, (flag) => (flag ? FORBIDDEN : 0));
  return { start: forbidden(continues), transitions, end: forbidden(isOpen) };
}

/** Both chains' scores together. */
export function sumOfChains(a: LabelChain, b: LabelChain): LabelChain {
  const sum = (x: Float64Array, y: Float64Array) => x.map((value, i) => value + y[i]!);
  return {
    start: sum(a.start, b.start),
    transitions: sum(a.transitions, b.transitions),
    end: sum(a.end, b.end),
  };
}

/**
 * The labels whose scores have the largest sum along a chain (Viterbi 1967), the first ones among equals.
 *
 * @param emissions scores of the labels at each place, shape [N, C].
 * @returns label ids, shape [N]
 */
export function bestPath(emissions: ArrayLike<number>, { start, transitions, end }: LabelChain): Int32Array {
  const size = start.length;
  const length = emissions.length / size;
  const path = new Int32Array(length);
  if (length === 0) return path;
  const cameFrom = new Int32Array(length * size);
  let scores = start.map((score, label) => score + emissions[label]!);
  for (let place = 1; place < length; place++) {
    const next = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
    for (let from = 0; from < size; from++) {
      for (let to = 0; to < size; to++) {
        const score = scores[from]! + transitions[from * size + to]!;
        if (score <= next[to]!) continue;
        next[to] = score;
        cameFrom[place * size + to] = from;
      }
    }
    for (let label = 0; label < size; label++) next[label]! += emissions[place * size + label]!;
    scores = next;
  }
  const last = scores.map((score, label) => score + end[label]!);
  path[length - 1] = last.reduce((best, score, label) => (score > last[best]! ? label : best), 0);
  for (let place = length - 1; place > 0; place--) path[place - 1] = cameFrom[place * size + path[place]!]!;
  return path;
}

/**
 * Probability of each label at each place under a chain, by the forward and backward recursions.
 *
 * @param emissions scores of the labels at each place, shape [N, C].
 * @returns shape [N, C]; each row has the sum 1
 */
export function marginals(
  emissions: ArrayLike<number>,
  { start, transitions, end }: LabelChain,
): Float32Array {
  const size = start.length;
  const length = emissions.length / size;
  const probabilities = new Float32Array(length * size);
  if (length === 0) return probabilities;
  const emission = (place: number, label: number) => emissions[place * size + label]!;
  const transition = (from: number, to: number) => transitions[from * size + to]!;
  const each = (score: (label: number) => number) =>
    Float64Array.from({ length: size }, (_, label) => score(label));
  const forward = [each((label) => start[label]! + emission(0, label))];
  for (let place = 1; place < length; place++) {
    const before = forward[place - 1]!;
    forward.push(
      each((to) => logSum(size, (from) => before[from]! + transition(from, to)) + emission(place, to)),
    );
  }
  let backward = end;
  for (let place = length - 1; place >= 0; place--) {
    const [ahead, behind] = [forward[place]!, backward];
    const total = logSum(size, (label) => ahead[label]! + behind[label]!);
    for (let label = 0; label < size; label++)
      probabilities[place * size + label] = Math.exp(ahead[label]! + behind[label]! - total);
    if (place > 0)
      backward = each((from) =>
        logSum(size, (to) => transition(from, to) + emission(place, to) + behind[to]!),
      );
  }
  return probabilities;
}

/** log of the sum of exp(term). */
function logSum(count: number, term: (index: number) => number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) largest = Math.max(largest, term(i));
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(term(i) - largest);
  return largest + Math.log(sum);
}

/** BILOU's L and U are IOBES's E and S. */
function partsOf(label: string): { prefix: string; type: string } {
  const match = /^([BIESLU])-(.+)$/s.exec(label);
  if (match === null) return { prefix: '', type: '' };
  const prefix = match[1]!.replace('L', 'E').replace('U', 'S');
  return { prefix, type: match[2]! };
}
