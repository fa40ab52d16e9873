import { describe, expect, it } from 'vitest';
import { readText } from '../../src/data/read-text.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();

describe('plain text', () => {
  it('is read as words by line, blank lines left out', async () => {
    const file = write('text.txt', '\ufeffAnna lives here.\r\n\n  \nҚала, үлкен!');
    expect(await readText(file)).toEqual([
      ['Anna', 'lives', 'here', '.'],
      ['Қала', ',', 'үлкен', '!'],
    ]);
  });

  it.each([
    ['empty.txt', ''],
    ['blank.txt', '\n \n\n'],
  ])('must hold a word: %s', async (name, content) => {
    const file = write(name, content);
    const error = await thrownBy(() => readText(file));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', message: expect.stringContaining(file) });
  });

  it('must be UTF-8', async () => {
    const file = write('latin.txt', Buffer.from('good\ncaf\xe9\n', 'latin1'));
    const error = await thrownBy(() => readText(file));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file, line: 2 } });
  });

  it.each([
    ['ends with it', ''],
    ['goes on', '\nthe end\n'],
  ])('must have lines that a person wrote: one of 10 MB, where the file %s', async (name, rest) => {
    const file = write(`long-${name.length}.txt`, `one\ntwo\n${'word '.repeat(2_000_000)}${rest}`);
    const error = await thrownBy(() => readText(file));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file, line: 3 } });
    expect(error.message).toContain('at most 1048576 bytes');
  });

  it('may be long as a whole', async () => {
    const file = write('whole.txt', 'a b c\n'.repeat(400_000));
    expect(await readText(file)).toHaveLength(400_000);
  });

  it('must be there', async () => {
    expect((await thrownBy(() => readText('/nowhere/text.txt'))).code).toBe('FILE_NOT_FOUND');
  });
});
