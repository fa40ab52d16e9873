import { describe, expect, it } from 'vitest';
import { mapTypes, parseTypeMap } from '../../src/data/map-types.js';
import type { Sentence } from '../../src/data/sentence.js';

const sentence = (...tags: string[]): Sentence => ({ words: tags.map((_, i) => `w${i}`), tags });
const tagsOf = (sets: Sentence[][]) => sets.map((sentences) => sentences.map(({ tags }) => tags));

describe('entity types that are mapped', () => {
  const train = [sentence('B-LOC', 'I-LOC', 'O'), sentence('B-PER')];
  const test = [sentence('B-GPE', 'I-GPE', 'B-LOCATION'), sentence('B-MISC', 'I-MISC', 'O', 'B-ORG')];

  it('become others in every set, at once', () => {
    const map = parseTypeMap(['GPE=LOC', 'LOC=GPE', 'LOCATION = LOC']);
    expect(tagsOf(mapTypes([train, test], map))).toEqual([
      [['B-GPE', 'I-GPE', 'O'], ['B-PER']],
      [
        ['B-LOC', 'I-LOC', 'B-LOC'],
        ['B-MISC', 'I-MISC', 'O', 'B-ORG'],
      ],
    ]);
  });

  it('are left out where they become O, all that the map does not name by a star', () => {
    expect(tagsOf(mapTypes([test], parseTypeMap(['MISC=O'])))[0]![1]).toEqual(['O', 'O', 'O', 'B-ORG']);
    expect(tagsOf(mapTypes([train, test], parseTypeMap(['GPE=LOC', '*=O'])))).toEqual([
      [['B-LOC', 'I-LOC', 'O'], ['O']],
      [
        ['B-LOC', 'I-LOC', 'O'],
        ['O', 'O', 'O', 'O'],
      ],
    ]);
  });

  it('leave sentences alone in which they do not stand', () => {
    const [mapped] = mapTypes([train], parseTypeMap(['PER=PERSON']));
    expect(mapped![0]).toBe(train[0]);
    expect(mapped![1]!.tags).toEqual(['B-PERSON']);
    expect(train[1]!.tags).toEqual(['B-PER']);
  });

  it('must be those of a sentence', () => {
    expect(() => mapTypes([test], parseTypeMap(['MICS=O']))).toThrowError(
      /`map`: no sentence has an entity of type MICS\. The types are GPE, LOCATION, MISC, ORG\./,
    );
  });

  it.each([[['GPE']], [['=LOC']], [['GPE=']], [['A=B=C']], [['A=B', 'A=C']]])(
    'are refused as %j',
    (mappings) => {
      expect(() => parseTypeMap(mappings)).toThrowError(expect.objectContaining({ code: 'INVALID_OPTION' }));
    },
  );
});
