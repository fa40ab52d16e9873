import { describe, expect, it } from 'vitest';
import { entitySpans } from '../../src/evaluation/entity-spans.js';

describe('entity spans', () => {
  it('gives type and word borders, end excluded', () => {
    expect(entitySpans(['O', 'B-PER', 'I-PER', 'B-LOC'])).toEqual([
      { type: 'PER', start: 1, end: 3 },
      { type: 'LOC', start: 3, end: 4 },
    ]);
  });

  it('begins an entity at an I- tag by default and drops it in strict mode', () => {
    expect(entitySpans(['I-PER', 'O', 'I-LOC'])).toHaveLength(2);
    expect(entitySpans(['I-PER', 'O', 'I-LOC'], { strict: true })).toEqual([]);
  });

  it('splits at an I- tag of another type, which strict mode leaves out', () => {
    expect(entitySpans(['B-PER', 'I-LOC'])).toEqual([
      { type: 'PER', start: 0, end: 1 },
      { type: 'LOC', start: 1, end: 2 },
    ]);
    expect(entitySpans(['B-PER', 'I-LOC', 'I-PER'], { strict: true })).toEqual([
      { type: 'PER', start: 0, end: 1 },
    ]);
  });

  it('keeps hyphens inside a type', () => {
    expect(entitySpans(['B-WORK-OF-ART', 'I-WORK-OF-ART'])).toEqual([
      { type: 'WORK-OF-ART', start: 0, end: 2 },
    ]);
    expect(entitySpans(['B-WORK-OF-ART'], { strict: true })).toEqual([
      { type: 'WORK-OF-ART', start: 0, end: 1 },
    ]);
  });

  it('counts tags without a known prefix as outside in strict mode', () => {
    expect(entitySpans(['NOUN', 'B-PER', 'NOUN', 'I-PER'], { strict: true })).toEqual([
      { type: 'PER', start: 1, end: 2 },
    ]);
  });

  it('reads IOBES single and end tags by default', () => {
    expect(entitySpans(['S-PER', 'B-LOC', 'I-LOC', 'E-LOC', 'S-LOC'])).toEqual([
      { type: 'PER', start: 0, end: 1 },
      { type: 'LOC', start: 1, end: 4 },
      { type: 'LOC', start: 4, end: 5 },
    ]);
  });
});
