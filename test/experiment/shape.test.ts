import { describe, expect, it } from 'vitest';
import { encoderConfigOf, parseShape, SHAPES } from '../../src/experiment/shape.js';

describe('a shape', () => {
  it('has a name', () => {
    expect(parseShape('mini')).toEqual(SHAPES.mini);
    expect(SHAPES.mini).toMatchObject({ numLayers: 12, hiddenSize: 128 });
  });

  it('is a list of fields, with defaults for what is left out', () => {
    expect(parseShape('layers=3, hidden=64, heads=2')).toEqual({
      numLayers: 3,
      hiddenSize: 64,
      numHeads: 2,
      intermediateSize: 256,
      maxPositions: 512,
      dropout: 0.1,
    });
    expect(parseShape('layers=3,hidden=64,heads=2,intermediate=100,dropout=0')).toMatchObject({
      intermediateSize: 100,
      dropout: 0,
    });
  });

  it.each([
    ['minni', 'did you mean "mini"?'],
    ['layers=3,hidden=64', 'heads missing'],
    ['layers=3,hidden=64,heads=x', 'heads: expected'],
    ['layers=3,hidden=64,heads=', 'heads: expected'],
    ['layers=3,hidden=65,heads=2', 'no multiple of heads'],
    ['layers=0,hidden=64,heads=2', 'layers: expected'],
    ['layers=3,hidden=64,heads=2,depth=4', '"depth"'],
  ])('is refused as %s', (text, reason) => {
    expect(() => parseShape(text)).toThrowError(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => parseShape(text)).toThrowError(reason);
  });

  it('becomes a configuration with the labels and the vocabulary', () => {
    const config = encoderConfigOf(SHAPES.mini!, 100, 0, ['B-PER', 'O']);
    expect(config).toMatchObject({
      modelType: 'bert',
      vocabSize: 100,
      labels: ['B-PER', 'O'],
      hiddenDropout: 0.1,
    });
  });
});
