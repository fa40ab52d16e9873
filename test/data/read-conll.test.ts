import { describe, expect, it } from 'vitest';
import { readConll } from '../../src/data/read-conll.js';
import { readSentences } from '../../src/data/read-sentences.js';
import type { ReadOptions } from '../../src/data/reader-options.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
let count = 0;

async function read(content: string | Uint8Array, options?: ReadOptions): Promise<[string, string][][]> {
  const sentences = await readSentences(write(`${count++}.txt`, content), options);
  return sentences.map(({ words, tags }) => words.map((word, index) => [word, tags[index]!]));
}

const TWO = [
  [
    ['Aruzhan', 'B-PER'],
    ['left', 'O'],
  ],
  [['Almaty', 'B-LOC']],
];

describe('columns', () => {
  it.each([
    ['two by tab', 'Aruzhan\tB-PER\nleft\tO\n\nAlmaty\tB-LOC\n'],
    ['two by a space', 'Aruzhan B-PER\nleft O\n\nAlmaty B-LOC\n'],
    ['two by several spaces', 'Aruzhan   B-PER\n left     O\n\nAlmaty   B-LOC  \n'],
    ['tag before word', 'B-PER Aruzhan\nO left\n\nB-LOC Almaty\n'],
    ['four, chunks before entities', 'Aruzhan NNP B-NP B-PER\nleft VBD B-VP O\n\nAlmaty NNP B-NP B-LOC\n'],
    [
      'an index, as Universal NER',
      '# id = 1\n1\tAruzhan\tB-PER\t-\ta\n2\tleft\tO\t-\t-\n\n1\tAlmaty\tB-LOC\t-\ta\n',
    ],
    ['Windows line ends', 'Aruzhan\tB-PER\r\nleft\tO\r\n\r\nAlmaty\tB-LOC\r\n'],
    ['a byte order mark', '\ufeffAruzhan\tB-PER\nleft\tO\n\nAlmaty\tB-LOC\n'],
    ['blank lines with white space', 'Aruzhan\tB-PER\nleft\tO\n\t\n \u00a0\n\ufeff\nAlmaty\tB-LOC\n \n'],
    ['no newline at the end', 'Aruzhan\tB-PER\nleft\tO\n\nAlmaty\tB-LOC'],
    ['blank lines at the start', '\n\nAruzhan\tB-PER\nleft\tO\n\n\n\nAlmaty\tB-LOC\n\n'],
    [
      'document starts',
      '-DOCSTART- -X- -X- O\n\nAruzhan N B-NP B-PER\nleft V B-VP O\n\nAlmaty N B-NP B-LOC\n',
    ],
    ['a document start without a blank line', 'Aruzhan O B-PER\nleft O O\n-DOCSTART-\nAlmaty O B-LOC\n'],
  ])('are found: %s', async (_, content) => {
    expect(await read(content)).toEqual(TWO);
  });

  it('are those that the caller names', async () => {
    const content = 'x Aruzhan B-NP B-PER\nx left B-VP O\n';
    expect(await read(content, { tokenColumn: 1, tagColumn: 2 })).toEqual([
      [
        ['Aruzhan', 'B-NP'],
        ['left', 'B-VP'],
      ],
    ]);
  });

  it('keep words with other white space whole', async () => {
    expect(await read('1\u00a0000\tO\nNew York\tB-LOC\nx\u2028y\tO\n')).toEqual([
      [
        ['1\u00a0000', 'O'],
        ['New York', 'B-LOC'],
        ['x\u2028y', 'O'],
      ],
    ]);
    expect(await read('1\u00a0000 O\nYork B-LOC\n')).toEqual([
      [
        ['1\u00a0000', 'O'],
        ['York', 'B-LOC'],
      ],
    ]);
  });

  it('are not mistaken where the words look like tags', async () => {
    expect(await read('O O\nI-5 B-LOC\nB-52 I-LOC\n')).toEqual([
      [
        ['O', 'O'],
        ['I-5', 'B-LOC'],
        ['B-52', 'I-LOC'],
      ],
    ]);
  });

  it('are not mistaken where the words are numbers', async () => {
    expect(await read('1984\tCD\tB-DATE\n1985\tCD\tO\n')).toEqual([
      [
        ['1984', 'B-DATE'],
        ['1985', 'O'],
      ],
    ]);
  });

  it('leave out the spans and empty nodes of indexed files', async () => {
    const content =
      '1-2\tdel\tO\t-\t-\n1\tde\tO\t-\t-\n2\tel\tO\t-\t-\n2.1\tx\tO\t-\t-\n3\tRey\tB-PER\t-\t-\n';
    expect(await read(content)).toEqual([
      [
        ['de', 'O'],
        ['el', 'O'],
        ['Rey', 'B-PER'],
      ],
    ]);
  });
});

describe('lines that begin with #', () => {
  it.each([
    ['by tab', 'a\tO\n#sunday\tO\n#\tO\n\n#first\tB-MISC\n'],
    ['by space', 'a O\n#sunday O\n# O\n\n#first B-MISC\n'],
  ])('are words where they have a tag, %s', async (_, content) => {
    expect(await read(content)).toEqual([
      [
        ['a', 'O'],
        ['#sunday', 'O'],
        ['#', 'O'],
      ],
      [['#first', 'B-MISC']],
    ]);
  });

  it('are words where all lines are such', async () => {
    expect(await read('#a\tO\n#b\tB-MISC\n')).toEqual([
      [
        ['#a', 'O'],
        ['#b', 'B-MISC'],
      ],
    ]);
  });

  it.each([
    ['a\tO\n\n# text = blood type O\nb\tO\n'],
    ['# newdoc\n#\n#sent_id=4\na\tO\n\nb\tO\n'],
    ['# a b c\na O\n\n# newdoc id\nb O\n'],
    ['#begin document (x)\na O\n\nb O\n\n#end document\n'],
  ])('are comments in %j', async (content) => {
    expect(await read(content)).toEqual([[['a', 'O']], [['b', 'O']]]);
  });

  it('are comments in an indexed file, where a word line begins with its index', async () => {
    const content = '#sunday\n1\ta\tO\t-\n\n#monday\n1\t#b\tO\t-\n';
    expect(await read(content)).toEqual([[['a', 'O']], [['#b', 'O']]]);
  });

  it('are errors where a word lost its tag', async () => {
    const start = await thrownBy(() => read('a\tO\n\n#sunday\nb\tO\n'));
    expect(start).toMatchObject({ code: 'DATA_FORMAT', details: { line: 3 } });
    const separator = await thrownBy(() => read('a\tO\n\n# O\nb\tO\n'));
    expect(separator).toMatchObject({ code: 'DATA_FORMAT', details: { line: 3 } });
    const middle = await thrownBy(() => read('a\tO\n# sunday morning\nb\tO\n'));
    expect(middle).toMatchObject({ code: 'DATA_FORMAT', details: { line: 2 } });
  });
});

describe('places', () => {
  it('name the file and the first word of a sentence', async () => {
    const file = write('places.txt', '# c = 1\na\tO\nb\tO\n\n\nc\tO\n');
    const sentences = await readSentences(file);
    expect(sentences.map((sentence) => [sentence.file, sentence.line])).toEqual([
      [file, 2],
      [file, 6],
    ]);
  });

  it('stay right over blocks of a large file', async () => {
    // A byte order mark is one at the start of a line, not at the start of a block.
    const line = `\ufeff${'ұзақ'.repeat(20)}\tO\n`;
    const repeats = 40_000;
    const file = write('large.txt', `${`${line}\n`.repeat(repeats)}last\tB-X\n`);
    let number = 0;
    const wrong: number[] = [];
    for await (const { words, line: first } of readConll(file)) {
      if (first !== 2 * number + 1 || words[0]!.startsWith('\ufeff')) wrong.push(number);
      number++;
    }
    expect(wrong).toEqual([]);
    expect(number).toBe(repeats + 1);
  });
});

describe('schemes', () => {
  const tagsOf = async (tags: string, options?: ReadOptions) => {
    const lines = tags.split(' ').map((tag) => (tag === '|' ? '' : `w\t${tag}`));
    return (await read(`${lines.join('\n')}\n`, options)).map((rows) => rows.map(([, tag]) => tag).join(' '));
  };

  it.each([
    ['IOB1', 'I-A I-A B-A O I-B I-A | O I-A', ['B-A I-A B-A O B-B B-A', 'O B-A']],
    ['IOBES', 'B-A I-A E-A S-A O B-B E-B', ['B-A I-A I-A B-A O B-B I-B']],
    ['BILOU', 'B-A I-A L-A U-A O B-B L-B', ['B-A I-A I-A B-A O B-B I-B']],
    ['IOB2', 'B-A I-A B-A O | B-B', ['B-A I-A B-A O', 'B-B']],
    ['IOB2 with stray I, left as it is', 'B-A I-A O I-B | I-A', ['B-A I-A O I-B', 'I-A']],
    ['broken IOBES', 'I-A O S-B E-B', ['B-A O B-B B-B']],
  ])('are found and become IOB2: %s', async (_, tags, expected) => {
    expect(await tagsOf(tags)).toEqual(expected);
  });

  it('that are named are checked, with the line of the tag', async () => {
    const iob2 = await thrownBy(() => tagsOf('B-A O | O I-B', { scheme: 'iob2' }));
    expect(iob2.code).toBe('DATA_FORMAT');
    expect(iob2.message).toMatch(/\.txt:5: expected B-B.*got I-B \(scheme iob2\)/);
    const iob1 = await thrownBy(() => tagsOf('I-A O B-A', { scheme: 'iob1' }));
    expect(iob1.message).toMatch(/:3: expected I-A.*got B-A/);
    const iobes = await thrownBy(() => tagsOf('B-A O', { scheme: 'iobes' }));
    expect(iobes.message).toMatch(/:1: expected S-A.*got B-A/);
    const mixed = await thrownBy(() => tagsOf('S-A', { scheme: 'iob2' }));
    expect(mixed.message).toMatch(/:1: expected O, B-A or I-A, got S-A/);
  });
});

describe('bad input', () => {
  it('a missing file is FILE_NOT_FOUND', async () => {
    const error = await thrownBy(() => readSentences('/nowhere/train.txt'));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', details: { file: '/nowhere/train.txt' } });
  });

  it('a directory is FILE_NOT_FOUND and says so', async () => {
    const error = await thrownBy(() => readSentences('/'));
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain('got a directory');
  });

  it.each([
    ['', 'no byte'],
    ['\n \n\t\n', 'blank lines'],
    ['-DOCSTART- O\n\n', 'document starts'],
    ['# only\n# comments\n', 'comments'],
  ])('a file of %j has no sentences (%s)', async (content) => {
    const error = await thrownBy(() => read(content));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain('expected annotated sentences, got none');
  });

  it.each([
    [
      'too few columns',
      'a\tO\nb\tO\nc\nd\tO\n',
      /:3: expected at least 2 columns parted by tabs.*got 1 in "c"/,
    ],
    ['the wrong separator', 'a\tO\nb\tO\nc O\n', /:3: expected at least 2 columns parted by tabs.*"c O"/],
    ['one column', 'a\nb\n', /:1: expected at least 2 columns/],
    ['no word', 'a\tO\n\tO\n', /:2: expected a word in column 0/],
    ['a malformed tag', 'a O\nb B-LOC\nc B_PER\n', /:3: expected a tag of the form O, B-type.*got "B_PER"/],
    ['a prefix without a type', 'a O\nb B-\n', /:2: expected a tag.*got "B-"/],
    ['an unknown scheme', 'a PERSON\nb NONE\n', /:1: expected a tag.*got "PERSON".*tagColumn/],
    ['a word in two parts', 'a O\nNew York B-LOC\nc O\n', /:2: expected a tag.*got "York"/],
  ])('%s names file and line', async (_, content, message) => {
    const error = await thrownBy(() => read(content));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('a column that does not exist names the line', async () => {
    const error = await thrownBy(() => read('a O\n', { tagColumn: 3 }));
    expect(error.message).toMatch(/:1: expected at least 4 columns.*got 2/);
  });

  it.each([
    ['Latin-1', Buffer.from('a\tO\nb\tO\ncaf\xe9\tO\n', 'latin1'), 3],
    ['UTF-16', Buffer.from('a\tO\n', 'utf16le'), 1],
    ['a letter cut at the end', Buffer.concat([Buffer.from('a\tO\n'), Buffer.from([0xd0])]), 2],
  ])('%s is not UTF-8', async (_, content, line) => {
    const error = await thrownBy(() => read(content));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { line } });
    expect(error.message).toContain('UTF-8');
  });

  it('wrong options are refused before the file is touched', async () => {
    for (const options of [
      { tagColum: 1 },
      { tagColumn: -1 },
      { tokenColumn: 1, tagColumn: 1 },
      { scheme: 'bio' },
    ]) {
      const error = await thrownBy(() => readConll('/nowhere', options as ReadOptions));
      expect(error.code).toBe('INVALID_OPTION');
    }
  });
});
