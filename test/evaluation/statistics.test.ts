import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mean, standardDeviation, standardError } from '../../src/evaluation/statistics.js';
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
  expected: { a: Expected; b: Expected };
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
