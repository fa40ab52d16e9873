import { describe, expect, it } from 'vitest';
import { readSentences } from '../../src/data/read-sentences.js';
import type { ReadOptions } from '../../src/data/reader-options.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
let count = 0;
const read = (content: string, options?: ReadOptions) =>
  readSentences(write(`${count++}.jsonl`, content), options);

describe('JSON lines', () => {
  it.each([
    ['words and tags', '{"words":["Almaty","."],"tags":["B-LOC","O"],"more":1}\n', {}],
    ['tokens and ner_tags', '\ufeff{"tokens":["Almaty","."],"ner_tags":["B-LOC","O"]}\r\n\r\n', {}],
    ['keys of the caller', '{"w":["Almaty","."],"t":["B-LOC","O"]}', { tokenColumn: 'w', tagColumn: 't' }],
    ['numbers', '{"tokens":["Almaty","."],"ner_tags":[1,0]}', { tagNames: ['O', 'B-LOC'] }],
    ['IOBES', '{"words":["Almaty","."],"tags":["S-LOC","O"]}', {}],
  ])('are read: %s', async (_, content, options) => {
    const [sentence, ...others] = await read(content, options);
    expect(sentence).toMatchObject({ words: ['Almaty', '.'], tags: ['B-LOC', 'O'], line: 1 });
    expect(others).toEqual([]);
  });

  it.each([
    ['no JSON', '{"words":["a"],"tags":["O"]}\n{"words":', /\.jsonl:2: expected a JSON object on each line/],
    ['an array', '[1]', /:1: expected a JSON object.*got an array/],
    [
      'no tags',
      '{"words":["a"]}',
      /:1: expected an array "ner_tags" or "tags" or .*, got the keys words\..*tagColumn/,
    ],
    ['tags that are no array', '{"words":["a"],"tags":"O"}', /:1: expected an array.*got "O"/],
    ['more words than tags', '{"words":["a","b"],"tags":["O"]}', /:1: .*got 2 words and 1 tags/],
    ['no words', '{"words":[],"tags":[]}', /:1: expected at least one word/],
    ['an empty word', '{"words":[""],"tags":["O"]}', /:1: expected a non-empty string as word 0/],
    ['a word that is a number', '{"words":[7],"tags":["O"]}', /:1: expected a non-empty string.*got 7/],
    ['numbers without names', '{"words":["a"],"tags":[3]}', /:1: .*got the number 3\..*tagNames/],
    ['a malformed tag', '{"words":["a"],"tags":["LOC"]}', /:1: expected a tag of the form.*got "LOC"/],
    ['nothing', '\n', /\.jsonl: expected annotated sentences, got none/],
  ])('with %s name file and line', async (_, content, message) => {
    const error = await thrownBy(() => read(content));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('with a number beyond the names say how many there are', async () => {
    const error = await thrownBy(() => read('{"words":["a"],"tags":[2]}', { tagNames: ['O', 'B-X'] }));
    expect(error.message).toContain('0 to 1');
  });

  it('have no columns', async () => {
    const error = await thrownBy(() => read('{"words":["a"],"tags":["O"]}', { tagColumn: 1 }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).toContain('tagColumn');
  });
});
