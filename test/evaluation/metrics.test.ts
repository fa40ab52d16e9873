import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PermafrostError } from '../../src/errors/error.js';
import { entityReport } from '../../src/evaluation/entity-metrics.js';
import { computeMetrics, metricsSchema } from '../../src/evaluation/metrics.js';
import type { Scores } from '../../src/evaluation/scores.js';
import { macroAtLeast, tokenReport } from '../../src/evaluation/token-metrics.js';
import { fixturePath } from '../helpers/shared.js';

interface OracleRow {
  precision: number | null;
  recall: number | null;
  'f1-score': number | null;
  support: number;
}

type OracleReport = Record<string, OracleRow>;

interface OracleCase {
  name: string;
  gold: string[][];
  pred: string[][];
  sklearn: { accuracy: number | null; report: OracleReport & { accuracy: never }; labels: string[] };
  seqeval_default: { report: OracleReport; accuracy: number; micro_f1: number };
  seqeval_strict_iob2: { report: OracleReport };
}

const cases = JSON.parse(readFileSync(fixturePath('metrics', 'cases.json'), 'utf8')) as OracleCase[];

/** Where the oracle has NaN (null), the score must be 0. */
function expectScores(ours: Scores | undefined, oracle: OracleRow | undefined, where: string): void {
  expect(ours, where).toBeDefined();
  expect(oracle, where).toBeDefined();
  const pairs = [
    [ours!.precision, oracle!.precision],
    [ours!.recall, oracle!.recall],
    [ours!.f1, oracle!['f1-score']],
  ] as const;
  for (const [got, expected] of pairs) {
    expect(Math.abs(got - (expected ?? 0)), where).toBeLessThanOrEqual(1e-12);
  }
  expect(ours!.support, where).toBe(oracle!.support);
}

function expectEntities(ours: ReturnType<typeof entityReport>, oracle: OracleReport): void {
  const averages = ['micro avg', 'macro avg', 'weighted avg'];
  const types = Object.keys(oracle).filter((key) => !averages.includes(key));
  expect(Object.keys(ours.types)).toEqual(types);
  for (const type of types) expectScores(ours.types[type], oracle[type], type);
  expectScores(ours.micro, oracle['micro avg'], 'micro');
  expectScores(ours.macro, oracle['macro avg'], 'macro');
  expectScores(ours.weighted, oracle['weighted avg'], 'weighted');
}

function failure(action: () => unknown): PermafrostError {
  try {
    action();
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('scores against scikit-learn and seqeval', () => {
  it('has thirty cases to compare with', () => {
    expect(cases).toHaveLength(30);
  });

  it.each(cases)('token report of "$name" equals classification_report', ({ gold, pred, sklearn }) => {
    const ours = tokenReport(gold, pred);
    expect(Math.abs(ours.accuracy - (sklearn.accuracy ?? 0))).toBeLessThanOrEqual(1e-12);
    expect(Object.keys(ours.labels)).toEqual(sklearn.labels);
    for (const label of sklearn.labels) expectScores(ours.labels[label], sklearn.report[label], label);
    expectScores(ours.macro, sklearn.report['macro avg'], 'macro');
    expectScores(ours.weighted, sklearn.report['weighted avg'], 'weighted');
  });

  const scored = cases.filter(({ gold }) => gold.length > 0);

  it.each(scored)('entity report of "$name" equals seqeval by default', ({ gold, pred, seqeval_default }) => {
    const ours = entityReport(gold, pred);
    expectEntities(ours, seqeval_default.report);
    expect(Math.abs(ours.micro.f1 - seqeval_default.micro_f1)).toBeLessThanOrEqual(1e-12);
  });

  it.each(scored)(
    'entity report of "$name" equals seqeval in strict IOB2',
    ({ gold, pred, seqeval_strict_iob2 }) => {
      expectEntities(entityReport(gold, pred, { strict: true }), seqeval_strict_iob2.report);
    },
  );

  it('gives zeros without support, and no NaN, for no sentences', () => {
    const nothing = { precision: 0, recall: 0, f1: 0, support: 0 };
    expect(tokenReport([], [])).toEqual({
      accuracy: 0,
      macro: nothing,
      weighted: nothing,
      withoutO: { macro: nothing, weighted: nothing },
      labels: {},
    });
    expect(entityReport([], [])).toEqual({ micro: nothing, macro: nothing, weighted: nothing, types: {} });
  });
});

describe('averages without O and without rare labels', () => {
  const gold = [
    ['B-PER', 'O', 'B-LOC', 'O'],
    ['B-PER', 'O'],
  ];
  const predicted = [
    ['B-PER', 'O', 'O', 'O'],
    ['B-PER', 'O'],
  ];

  it('leaves O out of macro, weighted and support', () => {
    const { withoutO, macro } = tokenReport(gold, predicted);
    expect(withoutO.macro).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5, support: 3 });
    expect(withoutO.weighted.f1).toBeCloseTo(2 / 3, 12);
    expect(macro.support).toBe(6);
    expect(macro.f1).toBeGreaterThan(withoutO.macro.f1);
  });

  it('leaves labels and types below the wanted support out of the macro average', () => {
    const report = tokenReport(gold, predicted);
    expect(macroAtLeast(report, 2)).toMatchObject({ classes: 2, support: 5 });
    expect(macroAtLeast(report, 0).f1).toBeCloseTo(report.macro.f1, 15);
    expect(macroAtLeast(entityReport(gold, predicted), 2)).toMatchObject({ classes: 1, f1: 1, support: 2 });
    expect(macroAtLeast(report, 100)).toEqual({ precision: 0, recall: 0, f1: 0, support: 0, classes: 0 });
  });
});

describe('misuse', () => {
  it('names the sentence whose lengths differ', () => {
    const action = () => tokenReport([['O'], ['O', 'O']], [['O'], ['O']]);
    const error = failure(action);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain('sentence 1');
    expect(error.details).toMatchObject({ sentence: 1, expected: 2, got: 1 });
    expect(failure(() => entityReport([['O']], [['O', 'O']])).details).toMatchObject({ sentence: 0 });
  });

  it('rejects different numbers of sentences', () => {
    expect(failure(() => entityReport([['O']], [])).code).toBe('INVALID_OPTION');
  });
});

describe('metrics of an evaluation', () => {
  const { gold, pred } = cases[0]!;
  const metrics = computeMetrics(gold, pred, { truncatedWords: 3, wordsWithoutTokens: 1 });

  it('holds every variant and what it rests on', () => {
    expect(metrics.macro).toEqual(tokenReport(gold, pred).macro);
    expect(metrics.entities).toEqual(entityReport(gold, pred));
    expect(metrics.entitiesStrict).toEqual(entityReport(gold, pred, { strict: true }));
    expect(metrics.counts).toEqual({
      sentences: gold.length,
      words: gold.flat().length,
      truncatedWords: 3,
      wordsWithoutTokens: 1,
    });
  });

  it.each(cases)('fits its schema and survives JSON to the bit for "$name"', (oracle) => {
    const before = computeMetrics(oracle.gold, oracle.pred);
    expect(metricsSchema.parse(JSON.parse(JSON.stringify(before)))).toEqual(before);
  });

  it('rejects a record with a misspelt field', () => {
    expect(metricsSchema.safeParse({ ...metrics, acuracy: 1 }).success).toBe(false);
  });

  it('scores 130,000 words with 51 labels in well under a second', () => {
    const labels = ['O', ...Array.from({ length: 25 }, (_, type) => [`B-T${type}`, `I-T${type}`]).flat()];
    const sentence = (shift: number) =>
      Array.from({ length: 13 }, (_, word) => labels[(word * 7 + shift) % 51]!);
    const goldTags = Array.from({ length: 10_000 }, (_, index) => sentence(index));
    const predictedTags = Array.from({ length: 10_000 }, (_, index) => sentence(index + (index % 3)));
    const started = performance.now();
    const result = computeMetrics(goldTags, predictedTags);
    const seconds = (performance.now() - started) / 1000;
    expect(result.counts.words).toBe(130_000);
    expect(seconds).toBeLessThan(0.9);
  });
});
