import { describe, expect, it } from 'vitest';
import { hasBackHarmony, inflectKazakh } from '../../../src/data/synthetic/kazakh-morphology.js';

describe('Kazakh endings', () => {
  it.each([
    ['бала', ['PL'], 'балалар'],
    ['үй', ['PL'], 'үйлер'],
    ['адам', ['PL'], 'адамдар'],
    ['тең', ['PL'], 'теңдер'],
    ['кітап', ['PL'], 'кітаптар'],
    ['мектеп', ['PL', 'DAT'], 'мектептерге'],
    ['қыз', ['GEN'], 'қыздың'],
    ['бала', ['GEN'], 'баланың'],
    ['ел', ['GEN'], 'елдің'],
    ['ат', ['GEN'], 'аттың'],
    ['қала', ['ACC'], 'қаланы'],
    ['тіл', ['ACC'], 'тілді'],
    ['мектеп', ['ACC'], 'мектепті'],
    ['қала', ['DAT'], 'қалаға'],
    ['ауыл', ['DAT'], 'ауылға'],
    ['жүрек', ['DAT'], 'жүрекке'],
    ['орақ', ['DAT'], 'ораққа'],
    ['дала', ['LOC'], 'далада'],
    ['мектеп', ['LOC'], 'мектепте'],
    ['орман', ['ABL'], 'орманнан'],
    ['көл', ['ABL'], 'көлден'],
    ['ат', ['ABL'], 'аттан'],
    ['бала', ['INS'], 'баламен'],
    ['қыз', ['INS'], 'қызбен'],
    ['дос', ['INS'], 'доспен'],
    ['қала', ['POSS'], 'қаласы'],
    ['тіл', ['POSS'], 'тілі'],
    ['мектеп', ['POSS'], 'мектебі'],
    ['министрлік', ['POSS'], 'министрлігі'],
    ['жүрек', ['POSS1'], 'жүрегім'],
    ['бала', ['POSS1PL'], 'баламыз'],
    ['қала', ['POSS', 'LOC'], 'қаласында'],
    ['облыс', ['POSS', 'DAT'], 'облысына'],
    ['тіл', ['POSS', 'ABL'], 'тілінен'],
    ['үй', ['POSS', 'ACC'], 'үйін'],
    ['ауыл', ['ADJ'], 'ауылдағы'],
    ['қала', ['REL'], 'қалалық'],
    ['бес', ['ORD'], 'бесінші'],
    ['екі', ['ORD'], 'екінші'],
    ['тоғыз', ['ORD'], 'тоғызыншы'],
    ['қазақ', ['LANG'], 'қазақша'],
    ['түрік', ['LANG'], 'түрікше'],
    ['фестиваль', ['POSS', 'LOC'], 'фестивалінде'],
  ])('%s with %s is %s', (word, endings, form) => {
    expect(inflectKazakh(word, endings)).toBe(form);
  });

  it('take their harmony from the last vowel of the stem', () => {
    expect(hasBackHarmony('кітап')).toBe(true);
    expect(hasBackHarmony('мұғалім')).toBe(false);
    expect(hasBackHarmony('су')).toBe(true);
  });

  it('are refused when unknown', () => {
    expect(() => inflectKazakh('қала', ['WHAT'])).toThrow('unknown ending "WHAT"');
  });
});
