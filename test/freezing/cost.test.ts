import { describe, expect, it } from 'vitest';
import type { ParameterInfo } from '../../src/contract/results.js';
import { relativeCost, trainableShare } from '../../src/freezing/relative-cost.js';
import { bottomUp, full, interleaved, only, topDown } from '../../src/freezing/strategy.js';
import { trainableTable } from '../../src/freezing/trainable-table.js';

describe('relative cost', () => {
  it.each([
    [3, 36 / 30, 36 / 33, 36 / 27],
    [6, 36 / 24, 36 / 30, 36 / 18],
    [9, 36 / 18, 36 / 27, 36 / 9],
    [12, 3, 3, Number.POSITIVE_INFINITY],
  ])('bounds k = %i of 12 at %f bottom-up, %f top-down, %f with the prefix kept', (k, up, down, kept) => {
    expect(relativeCost(bottomUp(k).plan(12)).speedup).toBeCloseTo(up, 12);
    expect(relativeCost(topDown(k).plan(12)).speedup).toBeCloseTo(down, 12);
    expect(relativeCost(bottomUp(k).plan(12)).speedupWithPrefixKept).toBeCloseTo(kept, 12);
  });

  it('gains nothing with k = 0 and without freezing', () => {
    expect(relativeCost(bottomUp(0).plan(12)).speedup).toBe(1);
    expect(relativeCost(full().plan(12)).speedup).toBe(1);
  });

  it('gives interleaved freezing no more than its weight gradients', () => {
    expect(relativeCost(interleaved().plan(12))).toMatchObject({
      forward: 12,
      activationGradients: 12,
      weightGradients: 6,
      speedup: 36 / 30,
    });
  });

  it('lets gradients run down through frozen layers to embeddings that learn', () => {
    const cost = relativeCost(only({ layers: [0, 1, 2, 3] }).plan(4));
    expect(cost).toMatchObject({ activationGradients: 4, weightGradients: 0 });
  });

  it('saves a third of a layer for attention and two thirds for the feed-forward block', () => {
    const cost = relativeCost(only({ embeddings: true, attention: 'all', bias: 'all' }).plan(12));
    expect(cost.weightGradients).toBeCloseTo(8, 12);
    expect(relativeCost(only({ embeddings: true, feedForward: [0] }).plan(1)).weightGradients).toBeCloseTo(
      1 / 3,
      12,
    );
  });

  it("gives the paper's share of equation 5", () => {
    expect(trainableShare(25, 100)).toBe(0.25);
  });
});

describe('table of what is trainable', () => {
  const parameter = (name: string, count: number, trainable: boolean): ParameterInfo => ({
    name,
    shape: [count],
    count,
    trainable,
  });

  it('counts embeddings, every layer and the head, and adds them up', () => {
    const rows = trainableTable(
      [
        parameter('bert.embeddings.word_embeddings.weight', 100, false),
        parameter('bert.embeddings.LayerNorm.bias', 5, false),
        parameter('bert.encoder.layer.0.attention.self.query.weight', 20, false),
        parameter('bert.encoder.layer.1.output.dense.weight', 30, true),
        parameter('bert.encoder.layer.1.output.dense.bias', 3, false),
        parameter('bert.encoder.layer.10.output.dense.weight', 7, true),
        parameter('classifier.weight', 9, true),
        parameter('classifier.bias', 1, true),
      ],
      11,
    );
    expect(rows.map(({ part }) => part)).toEqual([
      'embeddings',
      ...Array.from({ length: 11 }, (_, layer) => `layer ${layer}`),
      'head',
      'total',
    ]);
    const row = (part: string) => rows.find((candidate) => candidate.part === part);
    expect(row('embeddings')).toMatchObject({ trainable: 0, total: 105 });
    expect(row('layer 0')).toMatchObject({ trainable: 0, total: 20 });
    expect(row('layer 1')).toMatchObject({ trainable: 30, total: 33 });
    expect(row('layer 10')).toMatchObject({ trainable: 7, total: 7 });
    expect(row('head')).toMatchObject({ trainable: 10, total: 10 });
    expect(row('total')).toMatchObject({ trainable: 47, total: 175 });
  });
});
