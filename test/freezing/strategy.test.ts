import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PermafrostError } from '../../src/errors/error.js';
import { frozenPrefixLength } from '../../src/freezing/frozen-prefix.js';
import { bottomUp, full, interleaved, only, type Strategy, topDown } from '../../src/freezing/strategy.js';
import { fixturePath } from '../helpers/shared.js';

interface ParityCase {
  name: string;
  strategy: string;
  k: number | null;
  embeddings_frozen: boolean;
  frozen_layers: number[];
}

function strategyOf({ strategy, k }: ParityCase): Strategy {
  switch (strategy) {
    case 'none':
      return full();
    case 'embeddings':
      return only({ embeddings: true });
    case 'bottom-up':
      return bottomUp(k!);
    case 'top-down':
      return topDown(k!);
    case 'interleaved':
      return interleaved();
    default:
      throw new Error(`the fixture names an unknown strategy: ${strategy}`);
  }
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

function frozenIndices(layers: boolean[]): number[] {
  return layers.flatMap((frozen, layer) => (frozen ? [layer] : []));
}

describe('freezing strategies', () => {
  const { cases } = JSON.parse(readFileSync(fixturePath('parity', 'expected.json'), 'utf8')) as {
    cases: ParityCase[];
  };

  it('has ten cases to compare with', () => {
    expect(cases).toHaveLength(10);
  });

  it.each(cases)(
    'freezes in a model of four layers what the Hugging Face run of case $name froze',
    (parity) => {
      const plan = strategyOf(parity).plan(4);
      expect(plan.embeddings).toBe(parity.embeddings_frozen);
      expect(frozenIndices(plan.layers)).toEqual(parity.frozen_layers);
      expect(plan.layers).toHaveLength(4);
      expect(plan.parts).toBeUndefined();
    },
  );

  it('freezes the embeddings alone with k = 0, in both directions', () => {
    const expected = { embeddings: true, layers: [false, false, false] };
    expect(bottomUp(0).plan(3)).toEqual(expected);
    expect(topDown(0).plan(3)).toEqual(expected);
  });

  it('freezes every layer with k equal to the number of layers', () => {
    expect(bottomUp(3).plan(3)).toEqual({ embeddings: true, layers: [true, true, true] });
    expect(topDown(3).plan(3)).toEqual(bottomUp(3).plan(3));
  });

  it.each([
    ['bottom-up:13', () => bottomUp(13).plan(12)],
    ['top-down:13', () => topDown(13).plan(12)],
  ])('rejects %s in a model of twelve layers, naming both numbers', (_, action) => {
    const error = failure(action);
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toMatch(/13 layers.*12 encoder layers.*from 0 to 12/);
    expect(error.details).toMatchObject({ got: 13, numLayers: 12 });
  });

  it.each([-1, 2.5, Number.NaN, Number.POSITIVE_INFINITY])('rejects k = %s', (k) => {
    expect(failure(() => bottomUp(k))).toMatchObject({ code: 'INVALID_PLAN' });
    expect(failure(() => topDown(k))).toMatchObject({ code: 'INVALID_PLAN' });
  });

  it('freezes only the parts that are named', () => {
    expect(only({ embeddings: true, attention: [2, 1, 2], bias: 'all', layers: [0] }).plan(3)).toEqual({
      embeddings: true,
      layers: [true, false, false],
      parts: [[], ['attention', 'bias'], ['attention', 'bias']],
    });
  });

  it('calls a layer frozen when its parts leave nothing to learn', () => {
    const plan = only({ embeddings: true, attention: [0], feedForward: [0], layerNorm: [0] }).plan(2);
    expect(plan).toEqual({ embeddings: true, layers: [true, false] });
    expect(frozenPrefixLength(plan)).toBe(1);
  });

  it('freezes nothing when nothing is named', () => {
    expect(only({}).plan(2)).toEqual(full().plan(2));
  });

  it('rejects a layer that the model does not have', () => {
    const error = failure(() => only({ feedForward: [0, 4] }).plan(4));
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toMatch(/layer 4 does not exist.*4 encoder layers/);
  });

  it('rejects an unknown key with what may have been meant', () => {
    const error = failure(() => only({ layer: [1] } as never));
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toContain("did you mean 'layers'");
  });

  it.each([
    [{ layers: 3 }],
    [{ layers: [-1] }],
    [{ layers: [0.5] }],
    [{ embeddings: 'yes' }],
    [{ attention: 'some' }],
  ])('rejects the malformed selection %j', (options) => {
    expect(failure(() => only(options as never)).code).toBe('INVALID_PLAN');
  });
});

describe('frozen prefix', () => {
  it('counts the leading frozen layers', () => {
    expect(frozenPrefixLength(bottomUp(6).plan(12))).toBe(6);
    expect(frozenPrefixLength(topDown(6).plan(12))).toBe(0);
    expect(frozenPrefixLength(topDown(12).plan(12))).toBe(12);
    expect(frozenPrefixLength(interleaved().plan(12))).toBe(0);
    expect(frozenPrefixLength({ embeddings: true, layers: [true, false, true] })).toBe(1);
  });

  it('is -1 where the embeddings learn, whatever the layers do', () => {
    expect(frozenPrefixLength(full().plan(12))).toBe(-1);
    expect(frozenPrefixLength(only({ layers: [0, 1] }).plan(4))).toBe(-1);
  });

  it('ends before a layer of which one part learns', () => {
    const plan = only({ embeddings: true, layers: [0], attention: [1], feedForward: [1], bias: [1] }).plan(3);
    expect(frozenPrefixLength(plan)).toBe(1);
  });
});
