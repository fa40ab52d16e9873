import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type LineOptions, lineBlocks } from '../../src/data/read-lines.js';
import { thrownBy } from '../helpers/thrown.js';

async function linesOf(chunks: Uint8Array[], options: LineOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const block of lineBlocks(Readable.from(chunks), 'text', options)) {
    expect(block.first).toBe(lines.length + 1);
    lines.push(...block.lines);
  }
  return lines;
}

const bytes = (text: string) => Buffer.from(text, 'utf8');
/** The bytes one by one, which is as unlucky as a stream can be. */
const oneByOne = (text: string) => Array.from(bytes(text), (byte) => Uint8Array.of(byte));

describe('lines of a stream', () => {
  it.each(['', 'a', 'a\n', '\n', '\n\n', '\ufeffé\r\nb\r\n\n  \nc\rd\u2028e'])(
    'of %j are all there',
    async (text) => {
      const expected = text.replace('\ufeff', '').split('\n');
      if (expected.at(-1) === '') expected.pop();
      const lines = expected.map((line) => line.replace(/\r$/, ''));
      expect(await linesOf([bytes(text)])).toEqual(lines);
      expect(await linesOf(oneByOne(text))).toEqual(lines);
    },
  );

  it.each([
    ['a byte of another encoding', [0x61, 0x0a, 0x63, 0xe9, 0x0a], 2, 3, 0xe9],
    ['a cut character at the end of a line', [0x61, 0xc3, 0x0a, 0x62], 1, 1, 0xc3],
    ['a cut character at the end', [0x61, 0x0a, 0xe2, 0x80], 2, 2, 0xe2],
    ['an overlong form', [0xc0, 0xaf], 1, 0, 0xc0],
    ['a surrogate', [0x0a, 0xed, 0xa0, 0x80], 2, 1, 0xed],
    ['what lies beyond Unicode', [0xf4, 0x90, 0x80, 0x80], 1, 0, 0xf4],
    ['a NUL', [0x61, 0x00], 1, 1, 0],
  ])('are refused with %s, by line and offset', async (_, content, line, offset, byte) => {
    for (const chunks of [[Uint8Array.from(content)], content.map((one) => Uint8Array.of(one))]) {
      const error = await thrownBy(() => linesOf(chunks));
      expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file: 'text', line, offset, byte } });
      expect(error.message).toContain(`text:${line}: `);
      expect(error.message).toContain(`byte ${offset} from the start`);
    }
  });

  it('may hold NULs where that is allowed, but not UTF-16', async () => {
    expect(await linesOf([bytes('a\0b\n\0\0\0\n')], { allowNul: true })).toEqual(['a\0b', '\0\0\0']);
    const utf16 = Buffer.from('Ada in Oslo\nBo\n', 'utf16le');
    const error = await thrownBy(() => linesOf([utf16], { allowNul: true }));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { line: 1, offset: 1 } });
  });
});
