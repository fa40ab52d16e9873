import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pairedBootstrap } from '../../src/evaluation/bootstrap.js';
import { computeMetrics } from '../../src/evaluation/metrics.js';
import {
  countSentences,
  DRAWN_SCORES,
  type SentenceCounts,
  scoresOfDraw,
} from '../../src/evaluation/sentence-counts.js';
import { Random } from '../../src/io/random.js';
import { describeShared, fixturePath, sharedPath } from '../helpers/shared.js';

type Triple = [correct: number, predicted: number, gold: number];

const entityF1 = DRAWN_SCORES.indexOf('entityF1');

/** Counts of entities alone. */
function entityCounts(rows: readonly Triple[]): SentenceCounts {
  return {
    sentences: rows.length,
    entities: Int32Array.from(rows.flat()),
    labels: 0,
    offsets: new Int32Array(rows.length + 1),
    label: new Int32Array(),
    words: new Int32Array(),
  };
}

const TAGS = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC'];

function randomTags(random: Random, words: number): string[] {
  return Array.from({ length: words }, () => random.pick(TAGS));
}

describe('counts of sentences', () => {
  const random = new Random(3, 'counts');
  const gold = Array.from({ length: 30 }, () => randomTags(random, random.int(9)));
  const predicted = gold.map((tags) => tags.map((tag) => (random.next() < 0.6 ? tag : random.pick(TAGS))));
  const counts = countSentences(gold, predicted);

  it('give the scores of the whole', () => {
    const metrics = computeMetrics(gold, predicted);
    const scores = scoresOfDraw(counts, new Int32Array(gold.length).fill(1));
    expect(scores.macroF1).toBeCloseTo(metrics.macro.f1, 12);
    expect(scores.entityF1).toBeCloseTo(metrics.entities.micro.f1, 12);
  });

  it('give the scores of a draw, in which sentences come twice or not at all', () => {
    const times = Int32Array.from(gold, () => random.int(3));
    const drawn = (tags: string[][]) =>
      tags.flatMap((sentence, i) => Array.from({ length: times[i]! }, () => sentence));
    const metrics = computeMetrics(drawn(gold), drawn(predicted));
    const scores = scoresOfDraw(counts, times);
    expect(scores.macroF1).toBeCloseTo(metrics.macro.f1, 12);
    expect(scores.entityF1).toBeCloseTo(metrics.entities.micro.f1, 12);
  });
});

describe('the paired bootstrap', () => {
  const { entityF1: reference } = JSON.parse(
    readFileSync(fixturePath('statistics', 'comparisons.json'), 'utf8'),
  ) as {
    entityF1: {
      base: Triple[][];
      system: Triple[][];
      difference: number;
      low: number;
      high: number;
      sd: number;
      p: number;
    };
  };
  const base = reference.base.map(entityCounts);
  const system = reference.system.map(entityCounts);

  it('over three seeds comes near a reference of 200,000 draws', () => {
    const [[, got]] = pairedBootstrap([system], base, { draws: 4000 }) as never as [[unknown, never]];
    const { difference, low, high, p, seeds, sentences } = got as Record<string, number>;
    expect(difference).toBeCloseTo(reference.difference, 12);
    // Percentiles of 4000 draws of a spread of 0.07 lie within 0.006 of the true ones.
    expect(Math.abs(low! - reference.low)).toBeLessThan(0.012);
    expect(Math.abs(high! - reference.high)).toBeLessThan(0.012);
    expect(Math.abs(p! - reference.p)).toBeLessThan(0.03);
    expect([seeds, sentences]).toEqual([3, 40]);
  });

  it('gives the same draws for the same seed, and other ones for another', () => {
    const low = (seed: number) => pairedBootstrap([system], base, { draws: 50, seed })[0]![entityF1]!.low;
    expect(low(5)).toBe(low(5));
    expect(low(5)).not.toBe(low(6));
  });

  it('sees no difference of a system from itself', () => {
    expect(pairedBootstrap([base], base, { draws: 100 })[0]![entityF1]).toMatchObject({
      difference: 0,
      low: 0,
      high: 0,
      p: 1,
    });
  });

  it('covers the true difference in about 95 of 100 simulated studies of three seeds', () => {
    // Entities are found with chances that hang on the sentence, which both systems see, and on the run.
    const random = new Random(11, 'simulated');
    const normal = () => Array.from({ length: 12 }, () => random.next()).reduce((sum, x) => sum + x, -6);
    const chance = (logit: number) => 1 / (1 + Math.exp(-logit));
    const studies = 120;
    const study = (numSentences: number) => {
      const sentences = Array.from({ length: numSentences }, () => ({
        gold: random.int(4),
        hardness: normal(),
      }));
      const run = (level: number) => {
        const ofRun = level + 0.05 * normal();
        return entityCounts(
          sentences.map(({ gold, hardness }): Triple => {
            let correct = 0;
            for (let i = 0; i < gold; i++) if (random.next() < chance(ofRun + hardness)) correct++;
            return [correct, gold, gold];
          }),
        );
      };
      const seeds = [0, 1, 2];
      return { base: seeds.map(() => run(1.5)), system: seeds.map(() => run(1.2)) };
    };
    const large = study(60_000);
    const whole = new Int32Array(60_000).fill(1);
    const meanF1 = (runs: SentenceCounts[]) =>
      runs.reduce((sum, counts) => sum + scoresOfDraw(counts, whole).entityF1, 0) / runs.length;
    const truth = meanF1(large.system) - meanF1(large.base);
    let covered = 0;
    for (let i = 0; i < studies; i++) {
      const { base, system } = study(150);
      const { low, high } = pairedBootstrap([system], base, { draws: 200, seed: i })[0]![entityF1]!;
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered / studies).toBeGreaterThan(0.86);
    expect(covered / studies).toBeLessThan(0.995);
  });
});

interface ExactCase {
  name: string;
  columns: string[];
  rows: number[][];
  expected: {
    exact_bootstrap: null | {
      difference: { percentile_2_5: number; percentile_97_5: number };
    };
  };
}

describeShared('the bootstrap over sentences alone', () => {
  const { sentences } = JSON.parse(
    readFileSync(sharedPath('fixtures', 'statistics', 'cases.json'), 'utf8'),
  ) as {
    sentences: ExactCase[];
  };
  const exact = sentences.filter(({ expected }) => expected.exact_bootstrap !== null);

  it.each(exact)('of "$name" comes near all draws that there are', ({ columns, rows, expected }) => {
    const at = (row: number[], name: string) => row[columns.indexOf(name)]!;
    const counts = (side: string) =>
      entityCounts(rows.map((row) => [at(row, `correct_${side}`), at(row, `pred_${side}`), at(row, 'gold')]));
    const got = pairedBootstrap([[counts('a')]], [counts('b')], { draws: 20_000 })[0]![entityF1]!;
    const { percentile_2_5: low, percentile_97_5: high } = expected.exact_bootstrap!.difference;
    // The distributions are coarse: a percentile may be the next value.
    expect(got.low).toBeLessThan(low + 0.12);
    expect(got.low).toBeGreaterThan(low - 0.12);
    expect(got.high).toBeLessThan(high + 0.12);
    expect(got.high).toBeGreaterThan(high - 0.12);
  });
});
