import { describe, expect, it } from 'vitest';
import { type Draw, Grammar, mergeRules } from '../../../src/data/synthetic/grammar.js';
import { Random } from '../../../src/io/random.js';

function draw(seed = 1): Draw {
  return { random: new Random(seed), novelty: 0, heldOut: false };
}

function expandMany(grammar: Grammar, count: number): string[] {
  const one = draw();
  return Array.from({ length: count }, () => grammar.expand('start', one).words.join(' '));
}

describe('a grammar', () => {
  it('tags the words of an entity and of no other words', () => {
    const grammar = new Grammar({ start: ['in [LOC {town} hills ] , [PER ann ]'], town: ['new york'] });
    expect(grammar.expand('start', draw())).toEqual({
      words: ['in', 'new', 'york', 'hills', ',', 'ann'],
      tags: ['O', 'B-LOC', 'I-LOC', 'I-LOC', 'O', 'B-PER'],
    });
  });

  it('begins a new entity right behind another of the same type', () => {
    const grammar = new Grammar({ start: ['{name} {name}'], name: ['[PER ann lee ]'] });
    expect(grammar.expand('start', draw()).tags).toEqual(['B-PER', 'I-PER', 'B-PER', 'I-PER']);
  });

  it('tags only the outer one of nested entities', () => {
    const grammar = new Grammar({ start: ['[ORG bank of {land} ] in {land}'], land: ['[LOC velia ]'] });
    expect(grammar.expand('start', draw()).tags).toEqual(['B-ORG', 'I-ORG', 'I-ORG', 'O', 'B-LOC']);
  });

  it('follows the weights of the templates', () => {
    const sentences = expandMany(new Grammar({ start: ['9* often', 'rarely'] }), 4000);
    const share = sentences.filter((text) => text === 'often').length / sentences.length;
    expect(share).toBeGreaterThan(0.87);
    expect(share).toBeLessThan(0.93);
  });

  it('leaves optional rules out as often as it is told', () => {
    const sentences = expandMany(new Grammar({ start: ['yes {more?20}'], more: ['no'] }), 4000);
    const share = sentences.filter((text) => text === 'yes no').length / sentences.length;
    expect(share).toBeGreaterThan(0.17);
    expect(share).toBeLessThan(0.23);
  });

  it('gives the earlier words of a list more often', () => {
    const sentences = expandMany(new Grammar({ start: ['{word}'], word: 'a b c d e f g h i j k l' }), 4000);
    const count = (word: string) => sentences.filter((text) => text === word).length;
    expect(count('a')).toBeGreaterThan(2 * count('l'));
    expect(count('l')).toBeGreaterThan(0);
  });

  it('hands a word and all its endings, inner ones first, to the inflection', () => {
    const inflect = (word: string, endings: readonly string[]) => [word, ...endings].join('-');
    const grammar = new Grammar(
      { start: ['{phrase}+LOC now'], phrase: ['big {noun}+POSS'], noun: 'house' },
      inflect,
    );
    expect(grammar.expand('start', draw()).words).toEqual(['big', 'house-POSS-LOC', 'now']);
  });

  it.each([
    ['an unknown rule', ['{missing}'], /unknown rule "missing"/],
    ['an entity that stays open', ['[PER ann'], /brackets do not match/],
    ['an entity that was not opened', ['ann ]'], /brackets do not match/],
    ['a broken item', ['{start'], /cannot read "\{start"/],
  ])('refuses %s', (_, start, message) => {
    expect(() => new Grammar({ start })).toThrow(message);
  });

  it('refuses two rules of one name', () => {
    expect(() => mergeRules({ a: 'x' }, { a: 'y' })).toThrow('two rules are named "a"');
  });
});
