import { describe, expect, it } from 'vitest';
import { LabelSet, labelSet } from '../../src/data/label-set.js';
import { thrownBy } from '../helpers/thrown.js';

describe('labelSet', () => {
  it('has each tag once, by code point', () => {
    const sentences = [
      { tags: ['O', 'I-b', 'B-a'] },
      { tags: ['B-a', 'B-\u{1f600}', 'B-\uff21', 'B-A', 'B-a-c'] },
    ];
    expect(labelSet(sentences)).toEqual(['B-A', 'B-a', 'B-a-c', 'B-\uff21', 'B-\u{1f600}', 'I-b', 'O']);
  });
});

describe('LabelSet', () => {
  const labels = new LabelSet(['B-LOC', 'I-LOC', 'O']);

  it('goes from tag to id and back', () => {
    expect(labels.labels.map((tag) => labels.id(tag))).toEqual([0, 1, 2]);
    expect([0, 1, 2].map((id) => labels.tag(id))).toEqual(['B-LOC', 'I-LOC', 'O']);
    expect(labels.id('B-PER')).toBeUndefined();
    expect(labels.id('constructor')).toBeUndefined();
  });

  it('does not change when the given array does', () => {
    const given = ['B-X', 'O'];
    const set = new LabelSet(given);
    given.reverse();
    expect(set.tag(0)).toBe('B-X');
  });

  it('says which tag is unknown, where, and which was meant', async () => {
    expect(labels.requireId('O')).toBe(2);
    const error = await thrownBy(() => labels.requireId('B-LOK', 'train.txt:7'));
    expect(error.code).toBe('LABEL_MISMATCH');
    expect(error.message).toMatch(/train\.txt:7: tag "B-LOK".*B-LOC, I-LOC, O.*mean "B-LOC"/);
  });

  it.each([-1, 3, 0.5, Number.NaN])('has no tag %d', async (id) => {
    expect(await thrownBy(() => labels.tag(id))).toMatchObject({ code: 'INVALID_OPTION' });
  });

  it.each([[[]], [['O', 'B-X', 'O']], [['']], [[1]]])('is not made of %j', async (given) => {
    expect(await thrownBy(() => new LabelSet(given as string[]))).toMatchObject({ code: 'INVALID_OPTION' });
  });
});
