import { describe, expect, it } from 'vitest';
import { PermafrostError } from '../../src/errors/error.js';
import { parseStrategy, STRATEGY_NOTATIONS } from '../../src/freezing/notation.js';
import { bottomUp, full, interleaved, only, topDown } from '../../src/freezing/strategy.js';

function failure(text: string): PermafrostError {
  try {
    parseStrategy(text);
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error(`'${text}' was accepted`);
}

describe('freezing notation', () => {
  it.each([
    full(),
    interleaved(),
    bottomUp(0),
    bottomUp(6),
    topDown(12),
    only({}),
    only({ embeddings: true }),
    only({ embeddings: true, layers: [0, 1, 2, 3, 4, 5], attention: [6, 7, 8, 10], bias: 'all' }),
    only({ feedForward: [3], layerNorm: [5, 1] }),
  ])('reads $notation back as the same strategy', (strategy) => {
    const read = parseStrategy(strategy.notation);
    expect(read.notation).toBe(strategy.notation);
    expect(read.plan(12)).toEqual(strategy.plan(12));
  });

  it('writes indices as ranges', () => {
    expect(only({ embeddings: true, layers: [5, 0, 1, 2], layerNorm: [7] }).notation).toBe(
      'only:embeddings,layers=0-2+5,layer-norm=7',
    );
  });

  it('reads ranges in any order as one selection', () => {
    expect(parseStrategy('only:layers=5+0-2+1').notation).toBe('only:layers=0-2+5');
  });

  it('reads every example that its own messages give', () => {
    expect(STRATEGY_NOTATIONS.map(({ example }) => parseStrategy(example).notation)).toEqual(
      STRATEGY_NOTATIONS.map(({ example }) => example),
    );
  });

  it.each([
    ['botom-up:6', 'bottom-up:6'],
    ['bottomup:3', 'bottom-up:3'],
    ['top-dwon:2', 'top-down:2'],
    ['interleavd', 'interleaved'],
    ['ful', 'full'],
    ['full:2', 'full'],
    ['only:embedings', 'only:embeddings'],
    ['only:atention=0-3', 'only:attention=0-3'],
  ])('answers %s with "did you mean %s"', (text, meant) => {
    const error = failure(text);
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toContain(`Did you mean '${meant}'?`);
    expect(error.details).toMatchObject({ got: text, didYouMean: meant });
  });

  it.each([
    '',
    'gradual',
    'bottom-up',
    'bottom-up:',
    'bottom-up:-1',
    'top-down:2.5',
    'bottom-up:six',
    'bottom-up: 6',
  ])('rejects "%s" and lists the valid notations with examples', (text) => {
    const error = failure(text);
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toContain(`'${text}'`);
    for (const { form, example } of STRATEGY_NOTATIONS) {
      expect(error.message).toContain(form);
      expect(error.message).toContain(example);
    }
  });

  it.each([
    'only',
    'only:',
    'only:layers',
    'only:layers=',
    'only:layers=5-2',
    'only:layers=0-99999999',
    'only:layers=1=2',
    'only:layers=1,layers=2',
    'only:embeddings,embeddings',
    'only:embeddings,',
  ])('rejects the malformed list %s', (text) => {
    expect(failure(text).code).toBe('INVALID_PLAN');
  });
});
