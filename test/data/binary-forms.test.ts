import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { decodeMessagePack } from '../../src/data/message-pack.js';
import { readSentences } from '../../src/data/read-sentences.js';
import type { ReadOptions } from '../../src/data/reader-options.js';
import { ReadingNotes } from '../../src/data/reading-notes.js';
import { murmurHash64 } from '../../src/data/spans/doc-bin.js';
import { fixturePath } from '../helpers/shared.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
let count = 0;
const file = (content: string | Uint8Array) => write(`${count++}.dat`, content);

async function tagged(path: string, options?: ReadOptions, notes = new ReadingNotes()): Promise<string[]> {
  const sentences = await readSentences(path, options, { notes });
  return sentences.map(({ words, tags }) => words.map((word, i) => `${word}/${tags[i]}`).join(' '));
}

// Written by spaCy 3.8: DocBin(store_user_data=False).to_disk, three documents, the last one without entities.
const DOC_BIN = fixturePath('spacy', 'entities.spacy');
// Written by datasets 5.2: save_to_disk, three rows of `id`, `tokens` and `ner_tags`.
const ARROW = fixturePath('arrow', 'words.arrow');
const ROWS = ['Bo/B-PER Ek/I-PER won/O', 'дом/O 👍/O', 'Ek/B-PER'];

describe('DocBin', () => {
  it('is read: its text, cut into words anew, and its entities', async () => {
    const notes = new ReadingNotes();
    expect(await tagged(DOC_BIN, {}, notes)).toEqual([
      'Bo/B-PER Ek/I-PER won/O ,/O in/O New/B-LOC York/I-LOC 👍/O ./O',
      "don/O '/O t/O go/O to/O Алматы/B-Place_Name",
      'Bo/O won/O',
    ]);
    expect(notes.counts).toEqual({ renamed: 1 });
    const [first, second] = await readSentences(DOC_BIN);
    expect([first!.text, second!.text]).toEqual(['Bo Ek won, in New York 👍.', "don't  go to Алматы"]);
  });

  it('has the strings that spaCy hashes so', () => {
    // spacy.strings.hash_string
    expect(murmurHash64(Buffer.from('Bo'))).toBe(6283123171399894489n);
    expect(murmurHash64(Buffer.from('Алматы'))).toBe(7508558316044518350n);
    expect(murmurHash64(Buffer.from('entities'))).toBe(7701268449352692754n);
  });

  it('is refused where it is cut, changed, or without entities', async () => {
    const bytes = readFileSync(DOC_BIN);
    for (const end of [10, 100, bytes.length - 5]) {
      const error = await thrownBy(() => tagged(file(bytes.subarray(0, end))));
      expect(error).toMatchObject({ code: 'DATA_FORMAT' });
      expect(error.message).toContain('DocBin');
    }
    const plain = inflateSync(bytes);
    const fewer = Buffer.from(plain);
    // The first attribute is ORTH, 65; the eighth ENT_TYPE, 78.
    fewer[plain.indexOf(Buffer.from([65, 67, 73, 74, 75, 76, 77, 78])) + 7] = 1;
    const without = await thrownBy(() => tagged(file(deflateSync(fewer))));
    expect(without.message).toMatch(/without entities.*from_disk/);
    const renamed = Buffer.from(plain.toString('latin1').replace('\xa2Ek', '\xa2Ez'), 'latin1');
    expect((await thrownBy(() => tagged(file(deflateSync(renamed))))).message).toMatch(
      /token 1, whose string/,
    );
  });
});

describe('MessagePack', () => {
  it('is decoded, and refused where it breaks off', () => {
    const value = Buffer.from(
      '86a16101a162d1fffea163c3a164c0a165cb3ff8000000000000a16692c40201029320d91e',
      'hex',
    );
    const text = Buffer.from(`${'x'.repeat(30)}`);
    const whole = Buffer.concat([value, text, Buffer.from([0xe0])]);
    expect(decodeMessagePack(whole)).toEqual({
      a: 1,
      b: -2,
      c: true,
      d: null,
      e: 1.5,
      f: [Buffer.from([1, 2]), [32, 'x'.repeat(30), -32]],
    });
    for (let end = 0; end < whole.length; end++) {
      expect(() => decodeMessagePack(whole.subarray(0, end))).toThrow(RangeError);
    }
    expect(() => decodeMessagePack(Buffer.alloc(100, 0x91))).toThrow('levels');
    expect(() => decodeMessagePack(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]))).toThrow(RangeError);
  });
});

describe('a dataset that was saved', () => {
  it('is read from its directory, or its file, with the names of its classes', async () => {
    expect(await tagged(ARROW)).toEqual(ROWS);
    const directory = join(dirname(write('x', '')), 'saved');
    mkdirSync(directory);
    copyFileSync(ARROW, join(directory, 'data-0.arrow'));
    copyFileSync(ARROW, join(directory, 'data-1.arrow'));
    const files = ['data-0.arrow', 'data-1.arrow'].map((filename) => ({ filename }));
    write('saved/state.json', JSON.stringify({ _data_files: files }));
    expect(await tagged(directory)).toEqual([...ROWS, ...ROWS]);
    expect(await tagged(directory, { tagNames: ['O', 'B-X', 'I-X'] })).toEqual(
      [...ROWS, ...ROWS].map((row) => row.replaceAll('PER', 'X')),
    );
    write('saved/state.json', '{}');
    expect((await thrownBy(() => tagged(directory))).message).toContain('state.json');
    write('saved/dataset_dict.json', '{"splits":["train","test"]}');
    expect((await thrownBy(() => tagged(directory))).message).toMatch(
      /directory of train, test.*saved\/train/,
    );
  });

  it('is refused where it is cut, whatever was damaged', async () => {
    const bytes = readFileSync(ARROW);
    for (const end of [9, 300, 700, 1100]) {
      const error = await thrownBy(() => tagged(file(bytes.subarray(0, end))));
      expect(error).toMatchObject({ code: 'DATA_FORMAT' });
      expect(error.message).toContain('to_parquet');
    }
    const columns = await thrownBy(() => tagged(ARROW, { tagColumn: 'pos' }));
    expect(columns.message).toMatch(/\(pos\), got the columns id, tokens, ner_tags/);
  });
});

describe('parquet', () => {
  const features = {
    tokens: { feature: { dtype: 'string', _type: 'Value' }, _type: 'Sequence' },
    ner_tags: { feature: { names: ['O', 'B-PER', 'I-PER'], _type: 'ClassLabel' }, _type: 'Sequence' },
  };
  const parquet = (kvMetadata: { key: string; value: string }[]) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'tokens', data: [['Bo', 'Ek', 'won'], ['дом', '👍'], ['Ek']] },
          { name: 'ner_tags', data: [[1, 2, 0], [0, 0], [1]] },
        ],
        kvMetadata,
      }),
    );

  it('is read by what the datasets library says of its classes, or by their given names', async () => {
    const described = [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }];
    expect(await tagged(file(parquet(described)))).toEqual(ROWS);
    const bare = file(parquet([]));
    expect(await tagged(bare, { tagNames: ['O', 'B-PER', 'I-PER'] })).toEqual(ROWS);
    expect((await thrownBy(() => tagged(bare))).message).toMatch(
      /row 0 .*does not name its classes.*`tagNames`/,
    );
  });
});
