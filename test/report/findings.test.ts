import { describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/experiment/comparisons.js';
import { reportBlocks } from '../../src/report/document.js';
import { findings } from '../../src/report/findings.js';
import { summarise } from '../../src/report/summary.js';
import { renderTerminal } from '../../src/report/terminal.js';
import { makeRecord, type RecordFacts } from './records.js';

const SECONDS: Record<string, number> = {
  'bottom-up:0': 60,
  'bottom-up:6': 40,
  'bottom-up:9': 30,
  'bottom-up:12': 20,
};
const GRID = Object.entries(SECONDS).flatMap(([strategy, secondsToStop]) =>
  [1, 2, 3].map((seed): RecordFacts => ({ strategy, seed, secondsToStop, joules: 50 * secondsToStop })),
);

/** Both scores of a scenario, of which the first one differs so. */
function compared(
  strategy: string,
  difference: number,
  adjusted: number,
  facts: Partial<Comparison> = {},
): Comparison[] {
  return (['macroF1', 'entityF1'] as const).map((score) => ({
    score,
    strategy,
    baseline: 'bottom-up:0',
    trainSize: null,
    testSet: null,
    difference: score === 'macroF1' ? difference : 0,
    low: difference - 0.003,
    high: difference + 0.003,
    p: adjusted,
    adjusted: score === 'macroF1' ? adjusted : 1,
    seeds: 3,
    sentences: 300,
    ...facts,
  }));
}

const LOWER_AT_9 = [
  ...compared('bottom-up:6', -0.001, 0.61),
  ...compared('bottom-up:9', -0.02, 0.004),
  ...compared('bottom-up:12', -0.4, 0.001),
];

const of = (facts: RecordFacts[], comparisons: Comparison[]) =>
  findings(summarise(facts.map(makeRecord), { comparisons })!);

describe('the findings', () => {
  it('name the depth that costs nothing seen with its interval, and what it saves', () => {
    const [found, saved] = of(GRID, LOWER_AT_9);
    expect(found).toBe(
      'Freezing the 6 lowest of 12 layers (bottom-up:6) costs nothing that is seen on the test split: macro F1 −0.0010 (95% ' +
        'interval −0.0040 to +0.0020, p = 0.610) and entity F1 0.0000 (95% interval −0.0040 to +0.0020, p = 1.000), against ' +
        'bottom-up:0 over 3 seeds; bottom-up:9 is lower: macro F1 −0.0200 (95% interval −0.0230 to −0.0170, p = 0.004).',
    );
    expect(saved).toBe(
      'It saves 20.0 of 60.0 seconds to the stop (1.50 times as fast); it saves 1000 of 3000 joules (33.3%).',
    );
  });

  it('do not take for freezing what freezes no layer', () => {
    const facts = [...GRID, { strategy: 'full', secondsToStop: 5 }];
    const [found] = of(facts, [...compared('full', 0.1, 0.001), ...compared('bottom-up:6', -0.001, 0.6)]);
    expect(found).toContain('(bottom-up:6) costs nothing');
  });

  it('call the next one lower only where that is seen, by the score in which it is', () => {
    const [first, ...rest] = LOWER_AT_9;
    // Slower than the depth before it, and not lower: what is lower is the one behind.
    const slow = GRID.map((facts) => ({
      ...facts,
      ...(facts.strategy === 'bottom-up:9' && { secondsToStop: 50 }),
    }));
    const free = [first!, ...rest.slice(0, 1), ...compared('bottom-up:9', -0.001, 0.5), ...rest.slice(3)];
    expect(of(slow, free)[0]).toContain('bottom-up:12 is lower: macro F1 −0.4000');
    // The entity F1 differs by more, and not beyond chance.
    const noisy = LOWER_AT_9.map((comparison) => ({
      ...comparison,
      ...(comparison.score === 'entityF1' && { difference: -0.05, adjusted: 0.3 }),
    }));
    expect(of(GRID, noisy)[0]).toContain('bottom-up:9 is lower: macro F1 −0.0200');
  });

  it('take no deeper one for free behind one that is lower', () => {
    const odd = [...compared('bottom-up:6', -0.02, 0.004), ...compared('bottom-up:9', -0.001, 0.5)];
    const [found] = of(GRID.slice(0, 9), odd);
    expect(found).toContain('Everything that was frozen costs quality');
    expect(found).toContain('freezing the 9 lowest of 12 layers');
  });

  it('say that everything costs where everything is lower, and which costs least', () => {
    const [found, saved] = of(GRID, [
      ...compared('bottom-up:6', -0.01, 0.01),
      ...compared('bottom-up:9', -0.02, 0.004),
      ...compared('bottom-up:12', -0.4, 0.001),
    ]);
    expect(found).toMatch(/^Everything that was frozen costs quality .* \(bottom-up:6\): macro F1 −0\.0100/);
    expect(saved).toContain('20.0 of 60.0 seconds');
  });

  it('say of one seed what its interval lacks', () => {
    const [found] = of(GRID, compared('bottom-up:6', -0.001, 0.6, { seeds: 1 }));
    expect(found).toContain('what another seed would change is not in the interval');
  });

  it('give no seconds where another run did the work, and no joules that were not measured', () => {
    const borrowed = GRID.map(({ joules: _, ...facts }) =>
      facts.strategy === 'bottom-up:6' ? { ...facts, keptPrefix: 6, borrowed: 30 } : facts,
    );
    const [, saved] = of(borrowed, compared('bottom-up:6', -0.001, 0.6));
    expect(saved).toMatch(/^What it saves in seconds cannot be said, .*; energy was not measured\.$/);
  });

  it('claim nothing without k = 0, and nothing that was not compared', () => {
    expect(of(GRID.slice(3), [])[0]).toContain('k = 0 was not run');
    expect(of(GRID, [])[0]).toContain('was not tested');
    // Of another test set, or of fewer sentences: nothing of the tables below.
    expect(of(GRID, compared('bottom-up:6', 0, 1, { testSet: 'kk' }))[0]).toContain('was not tested');
    expect(of(GRID, compared('bottom-up:6', 0, 1, { trainSize: 5 }))[0]).toContain('was not tested');
  });

  it('stand first in the report and on the terminal', () => {
    const summary = summarise(GRID.map(makeRecord), { comparisons: LOWER_AT_9 })!;
    const sentences = findings(summary);
    expect(reportBlocks(summary)[1]).toEqual({ type: 'lead', text: sentences.join(' ') });
    expect(renderTerminal(summary, 80).split('\n').slice(1, 3)).toEqual(sentences);
  });
});
