import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  holm,
  mean,
  pairedDifference,
  standardDeviation,
  standardError,
} from '../../src/evaluation/statistics.js';
import { fixturePath } from '../helpers/shared.js';

interface Expected {
  mean: number | null;
  sd: number | null;
  standard_error: number | null;
}

interface RunsCase {
  name: string;
  a: number[];
  b: number[];
  expected: {
    a: Expected;
    b: Expected;
    paired: {
      mean_difference: number | null;
      ci95_difference: [number, number] | null;
      p: number | null;
    };
  };
}

const { runs } = JSON.parse(readFileSync(fixturePath('statistics', 'cases.json'), 'utf8')) as {
  runs: RunsCase[];
};

function expectNear(got: number | null, expected: number | null, relative: number): void {
  if (expected === null) {
    expect(got).toBeNull();
    return;
  }
  expect(got).not.toBeNull();
  expect(Math.abs(got! - expected)).toBeLessThanOrEqual(relative * Math.max(Math.abs(expected), 1e-300));
}

describe('statistics over repeated runs', () => {
  it.each(runs)('mean, deviation and standard error of "$name" equal the exact values', (runsCase) => {
    const spread = runsCase.name === 'large-offset' ? 1e-6 : 1e-9;
    for (const side of ['a', 'b'] as const) {
      const expected = runsCase.expected[side];
      expectNear(mean(runsCase[side]), expected.mean, 1e-9);
      expectNear(standardDeviation(runsCase[side]), expected.sd, spread);
      expectNear(standardError(runsCase[side]), expected.standard_error, spread);
    }
  });

  it('knows no spread of one value and no mean of none', () => {
    expect(standardDeviation([0.5])).toBeNull();
    expect(mean([])).toBeNull();
  });
});

describe('the difference of paired figures', () => {
  it.each(runs)('of "$name" has the exact mean, interval and p', ({ name, a, b, expected: { paired } }) => {
    const got = pairedDifference(a, b);
    const tolerance = name === 'large-offset' ? 1e-6 : 1e-9;
    expect(got.pairs).toBe(a.length);
    expectNear(got.mean, paired.mean_difference, tolerance);
    expectNear(got.p, paired.p, tolerance);
    expect(got.interval === null).toBe(paired.ci95_difference === null);
    for (const [index, end] of (paired.ci95_difference ?? []).entries())
      expectNear(got.interval![index]!, end, tolerance);
  });
});

describe("Holm's correction", () => {
  const { holm: cases } = JSON.parse(readFileSync(fixturePath('statistics', 'comparisons.json'), 'utf8')) as {
    holm: { p: number[]; adjusted: number[] }[];
  };

  it.each(cases)('of $p is that of the reference', ({ p, adjusted }) => {
    for (const [index, value] of holm(p).entries()) expect(value).toBeCloseTo(adjusted[index]!, 12);
  });
});
