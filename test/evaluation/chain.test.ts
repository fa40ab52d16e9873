import { describe, expect, it } from 'vitest';
import { findViolation, type TagScheme } from '../../src/data/tag-scheme.js';
import { bestPath, type LabelChain, marginals, schemeChain } from '../../src/evaluation/chain.js';
import { Random } from '../../src/io/random.js';

const IOB2 = ['O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER'];
const IOBES = ['O', ...['B', 'I', 'E', 'S'].flatMap((prefix) => [`${prefix}-LOC`, `${prefix}-PER`])];
const BILOU = IOBES.map((label) => label.replace(/^E/, 'L').replace(/^S/, 'U'));

function randomScores(count: number, name: string, spread = 1): Float64Array {
  const random = new Random(7, name);
  return Float64Array.from({ length: count }, () => (random.next() * 6 - 3) * spread);
}

function* everyPath(length: number, size: number): Generator<number[]> {
  if (length === 0) return yield [];
  for (const path of everyPath(length - 1, size)) for (let i = 0; i < size; i++) yield [...path, i];
}

function scoreOf(path: readonly number[], emissions: Float64Array, chain: LabelChain): number {
  const size = chain.start.length;
  let score = chain.start[path[0]!]! + chain.end[path.at(-1)!]!;
  for (const [place, label] of path.entries()) {
    score += emissions[place * size + label]!;
    if (place > 0) score += chain.transitions[path[place - 1]! * size + label]!;
  }
  return score;
}

function randomChain(size: number, name: string): LabelChain {
  const scores = randomScores(size * (size + 2), name);
  return {
    start: scores.slice(0, size),
    end: scores.slice(size, 2 * size),
    transitions: scores.slice(2 * size),
  };
}

describe('bestPath', () => {
  it.each([1, 2, 5])('finds the path of the largest score among all, over %i places', (length) => {
    for (const name of ['a', 'b', 'c']) {
      const [chain, emissions] = [randomChain(4, name), randomScores(length * 4, `${name} emissions`)];
      const scores = [...everyPath(length, 4)].map((path) => ({
        path,
        score: scoreOf(path, emissions, chain),
      }));
      const best = scores.reduce((a, b) => (b.score > a.score ? b : a));
      expect([...bestPath(emissions, chain)]).toEqual(best.path);
    }
  });

  it('is the arg max of each place, the first among equals, where the rules leave it', () => {
    const emissions = [2, 1, 0, 0, 2, 0, 0, 1, 3, 1, 1, 1];
    expect([...bestPath(emissions, schemeChain(['O', 'B-X', 'I-X']))]).toEqual([0, 1, 2, 0]);
  });

  it('gives nothing for nothing', () => {
    expect(bestPath([], schemeChain(IOB2))).toHaveLength(0);
  });

  it.each([
    ['iob2', IOB2],
    ['iobes', IOBES],
    ['iobes', BILOU],
  ] as [TagScheme, string[]][])('never breaks the rules of %s with labels %j', (scheme, labels) => {
    const chain = schemeChain(labels);
    let broken = 0;
    for (let sentence = 0; sentence < 200; sentence++) {
      const length = 1 + (sentence % 9);
      const emissions = randomScores(length * labels.length, `${scheme} ${sentence}`);
      const read = (label: string) => label.replace(/^L/, 'E').replace(/^U/, 'S');
      const tags = [...bestPath(emissions, chain)].map((label) => read(labels[label]!));
      expect(findViolation(tags, scheme), tags.join(' ')).toBeNull();
      const size = labels.length;
      const single = Array.from({ length }, (_, place) => {
        const row = [...emissions.subarray(place * size, (place + 1) * size)];
        return read(labels[row.indexOf(Math.max(...row))]!);
      });
      if (findViolation(single, scheme) !== null) broken++;
    }
    // The words by themselves do break them.
    expect(broken).toBeGreaterThan(50);
  });
});

describe('schemeChain', () => {
  const allows = (labels: string[], from: string, to: string) =>
    schemeChain(labels).transitions[labels.indexOf(from) * labels.length + labels.indexOf(to)] === 0;

  it('lets I-x of IOB1 begin an entity, and B-x only part two', () => {
    const labels = ['O', 'B-LOC', 'I-LOC', 'I-PER'];
    expect(allows(labels, 'O', 'I-LOC')).toBe(true);
    expect(allows(labels, 'I-LOC', 'I-PER')).toBe(true);
    expect(allows(labels, 'I-LOC', 'B-LOC')).toBe(true);
    expect(allows(labels, 'O', 'B-LOC')).toBe(false);
  });

  it('does not ask a type for an end that has none among the labels', () => {
    const labels = ['O', 'B-LOC', 'I-LOC', 'E-LOC', 'S-LOC', 'B-PER', 'I-PER'];
    expect(allows(labels, 'B-LOC', 'O')).toBe(false);
    expect(allows(labels, 'B-PER', 'O')).toBe(true);
    expect(allows(labels, 'B-LOC', 'E-LOC')).toBe(true);
    expect(allows(labels, 'B-LOC', 'I-PER')).toBe(false);
  });

  it('takes a type with a hyphen or of one letter as it is', () => {
    const labels = ['O', 'B-A-b', 'I-A-b', 'B-A', 'I-A'];
    expect(allows(labels, 'B-A-b', 'I-A')).toBe(false);
    expect(allows(labels, 'B-A-b', 'I-A-b')).toBe(true);
  });

  it('breaks as few rules as can be where there is no other way', () => {
    const labels = ['B-X', 'I-X', 'E-X'];
    expect([...bestPath([0, 5, 0], schemeChain(labels))]).toHaveLength(1);
  });
});

describe('marginals', () => {
  it.each([1, 4])('are the shares of all paths, over %i places', (length) => {
    const [chain, emissions] = [randomChain(3, 'm'), randomScores(length * 3, 'me')];
    const expected = new Float64Array(length * 3);
    let total = 0;
    for (const path of everyPath(length, 3)) {
      const weight = Math.exp(scoreOf(path, emissions, chain));
      total += weight;
      for (const [place, label] of path.entries()) expected[place * 3 + label]! += weight;
    }
    const found = marginals(emissions, chain);
    for (const [i, share] of expected.entries()) expect(found[i]).toBeCloseTo(share / total, 6);
  });
});
