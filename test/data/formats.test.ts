import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placeOf } from '../../src/data/place.js';
import { readSentences } from '../../src/data/read-sentences.js';
import type { ReadOptions } from '../../src/data/reader-options.js';
import { ReadingNotes } from '../../src/data/reading-notes.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
let count = 0;
// Names tell nothing of the form.
const file = (content: string | Uint8Array) => write(`${count++}.dat`, content);

async function tagged(path: string, options?: ReadOptions, notes = new ReadingNotes()): Promise<string[]> {
  const sentences = await readSentences(path, options, { notes });
  return sentences.map(({ words, tags }) => words.map((word, i) => `${word}/${tags[i]}`).join(' '));
}

const BO = 'Bo/B-PER Ek/I-PER won/O';

describe('a form is told by the content', () => {
  const lines = (...values: unknown[]) => `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;
  const words = { tokens: ['Bo', 'Ek', 'won'], ner_tags: ['B-PER', 'I-PER', 'O'] };
  const task = (result: unknown[], more = {}) => ({
    id: 7,
    annotations: [{ id: 1, result, ...more }],
    data: { text: 'Bo Ek won' },
  });
  const label = {
    value: { start: 0, end: 5, text: 'Bo Ek', labels: ['PER'] },
    type: 'labels',
    from_name: 'label',
  };

  it.each([
    ['JSON lines', lines(words)],
    ['a JSON array on one line', JSON.stringify([words])],
    ['a JSON array over many lines', JSON.stringify([words], null, 2)],
    ['a JSON object over many lines', JSON.stringify(words, null, 1)],
    ['objects below a key', JSON.stringify({ version: 1, data: [words] })],
    ['doccano, label', lines({ id: 1, text: 'Bo Ek won', label: [[0, 5, 'PER']] })],
    ['doccano, labels', lines({ text: 'Bo Ek won', labels: [[0, 5, 'PER']] })],
    [
      'doccano with relations',
      lines({
        text: 'Bo Ek won',
        entities: [{ id: 1, label: 'PER', start_offset: 0, end_offset: 5 }],
        relations: [],
      }),
    ],
    [
      'Prodigy',
      lines({
        text: 'Bo Ek won',
        tokens: [{ text: 'Bo', start: 0, end: 2, id: 0 }],
        spans: [{ start: 0, end: 5, label: 'PER', token_start: 0 }],
        answer: 'accept',
      }),
    ],
    ['Label Studio', JSON.stringify([task([label, { type: 'choices', value: { choices: ['a'] } }])])],
    [
      'Label Studio, JSON-MIN',
      JSON.stringify([
        { text: 'Bo Ek won', id: 7, people: [{ start: 0, end: 5, text: 'Bo Ek', labels: ['PER'] }] },
      ]),
    ],
    ['spaCy, text and entities', JSON.stringify([{ text: 'Bo Ek won', entities: [[0, 5, 'PER']] }])],
    ['spaCy, training pairs', JSON.stringify([['Bo Ek won', { entities: [[0, 5, 'PER']] }]])],
    ['spaCy, pairs a line', lines(['Bo Ek won', { entities: [[0, 5, 'PER']] }])],
    [
      'spaCy, pairs below a key',
      JSON.stringify({ classes: ['PER'], annotations: [['Bo Ek won', { entities: [[0, 5, 'PER']] }]] }),
    ],
    ['text and spans', lines({ text: 'Bo Ek won', spans: [{ start: 0, end: 5, label: 'PER' }] })],
    ['CSV', 'sentence_id,word,tag\n1,Bo,B-PER\n1,Ek,I-PER\n1,won,O\n'],
    [
      'CSV whose sentences are numbered once',
      'Sentence #,Word,POS,Tag\nSentence: 1,Bo,NN,B-PER\n,Ek,NN,I-PER\n,won,VB,O\n',
    ],
    ['CSV by semicolons, in quotes', 'token;ner\n"Bo";"B-PER"\nEk;I-PER\nwon;O\n'],
    ['TSV with names', 'ner_tag\ttoken\nB-PER\tBo\nI-PER\tEk\nO\twon\n'],
    ['columns by commas, named so', 'Bo,B-PER\nEk,I-PER\nwon,O\n', { separator: 'comma' }],
    [
      'CoNLL-U',
      [
        '# text = Bo Ek won',
        '1\tBo\tBo\tPROPN\t_\t_\t3\tnsubj\t_\tNER=B-PER|SpaceAfter=Yes',
        '2\tEk\tEk\tPROPN\t_\t_\t1\tflat\t_\tNER=I-PER',
        '3\twon\twin\tVERB\t_\t_\t0\troot\t_\t_',
      ].join('\n'),
    ],
    ['chunks and their sort beside entities', 'Bo NNP B-NP B-PER\nEk NNP I-NP I-PER\nwon VBD B-VP O\n'],
    ['types alone, named so', 'Bo\tPER\nEk\tPER\nwon\tO\n', { scheme: 'io' }],
    ['BMES', 'Bo B-PER\nEk E-PER\nwon O\n'],
    ['suffixes', 'Bo\tPER-B\nEk\tPER-I\nwon\tO\n'],
    ['underscores', 'Bo\tB_PER\nEk\tI_PER\nwon\tO\n'],
    ['carriage returns alone', 'Bo\tB-PER\rEk\tI-PER\rwon\tO\r'],
  ] as [string, string, ReadOptions?][])('%s', async (_, content, options) => {
    expect(await tagged(file(content), options)).toEqual([BO]);
  });

  it('keeps sentences apart: CSV by number or blank line, files that were put together with their marks', async () => {
    expect(await tagged(file('word,tag\nBo,B-PER\n\n"say ""x""",O\n",",O\n",O\n'))).toEqual([
      'Bo/B-PER',
      'say "x"/O ,/O "/O',
    ]);
    expect(await tagged(file('sentence,word,tag\n1,Bo,B-PER\n2,Ek,B-PER\n'))).toEqual([
      'Bo/B-PER',
      'Ek/B-PER',
    ]);
    expect(await tagged(file('\ufeffBo\tB-PER\n\n\ufeffEk\tB-PER\n'))).toEqual(['Bo/B-PER', 'Ek/B-PER']);
  });

  it('reads a beginning, a middle and an end, and M within', async () => {
    expect(await tagged(file('a B-X\nb M-X\nc E-X\nd S-X\n'))).toEqual(['a/B-X b/I-X c/I-X d/B-X']);
    expect(await tagged(file('Bo\tB\nEk\tI\nwon\tO\n'))).toEqual(['Bo/B-ENTITY Ek/I-ENTITY won/O']);
  });

  it('reads BRAT: lines of a document, by their offsets in the whole of it, or a folder', async () => {
    const text = write('doc.txt', 'A 👍 day\nBo Ek won\nin New\nYork City\n');
    write(
      'doc.ann',
      'T1\tPER 8 13\tBo Ek\nR1\tNear Arg1:T1 Arg2:T2\t\nT2\tLOC 21 34\tNew York City\nT3\tX 0 1;4 7\tA day\n#1\tNote T1\tx\n',
    );
    const path = text.replace('.txt', '.ann');
    const notes = new ReadingNotes();
    const sentences = await readSentences(path, {}, { notes });
    expect(
      sentences.map(({ words, tags }) => words.map((word, i) => `${word}/${tags[i]}`).join(' ')),
    ).toEqual(['A/B-X 👍/I-X day/I-X', BO, 'in/O New/B-LOC York/I-LOC City/I-LOC']);
    expect(sentences.map(({ file, line, document }) => [file, line, document])).toEqual([
      [text, 1, 'doc'],
      [text, 2, 'doc'],
      [text, 3, 'doc'],
    ]);
    expect(placeOf(sentences[1]!, 0, 1)).toEqual({ start: 8, end: 13, text: 'Bo Ek' });
    expect(placeOf(sentences[2]!, 1, 3)).toEqual({ start: 21, end: 34, text: 'New\nYork City' });
    expect(notes.places).toMatchObject([{ kind: 'parted', file: path, line: 4 }]);
    const folder = dirname(write('only.ann', ''));
    mkdirSync(`${folder}/brat`);
    write('brat/a.txt', 'Bo');
    write('brat/a.ann', 'T1\tPER 0 2\tBo\n');
    expect(await tagged(`${folder}/brat`)).toEqual(['Bo/B-PER']);
  });
});

describe('what is not taken word for word is counted, with its place', () => {
  const noted = async (record: object, options?: ReadOptions) => {
    const notes = new ReadingNotes();
    const [sentence] = await tagged(file(`\n${JSON.stringify(record)}\n`), options, notes);
    return [sentence, notes.places.map(({ kind, line, what }) => `${kind} ${line} ${what}`)];
  };
  const text = 'The Bank of Oslo, Ltd';

  it('spans that begin or end inside a word, without a word, and over each other', async () => {
    expect(await noted({ text, label: [[5, 11, 'ORG']] })).toEqual([
      'The/O Bank/B-ORG of/I-ORG Oslo/O ,/O Ltd/O',
      ['widened 2 ORG from 5 to 11 to "Bank of"'],
    ]);
    expect(
      await noted({
        text,
        label: [
          [4, 4, 'ORG'],
          [3, 4, 'X'],
          [17, 18, 'X'],
        ],
      }),
    ).toEqual([
      'The/O Bank/O of/O Oslo/O ,/O Ltd/O',
      ['empty 2 ORG from 4 to 4', 'empty 2 X from 3 to 4', 'empty 2 X from 17 to 18'],
    ]);
    expect(
      await noted({
        text,
        label: [
          [4, 11, 'A'],
          [9, 21, 'B'],
          [9, 21, 'C'],
        ],
      }),
    ).toEqual([
      'The/O Bank/O of/B-B Oslo/I-B ,/I-B Ltd/I-B',
      ['overlapping 2 C from 9 to 21', 'overlapping 2 A from 4 to 11'],
    ]);
  });

  it('entities within others, by the layer that is wanted', async () => {
    const record = {
      text,
      label: [
        [12, 16, 'LOC'],
        [4, 21, 'ORG'],
        [4, 16, 'BANK'],
      ],
    };
    expect(await noted(record)).toEqual([
      'The/O Bank/B-ORG of/I-ORG Oslo/I-ORG ,/I-ORG Ltd/I-ORG',
      ['nested 2 BANK from 4 to 16', 'nested 2 LOC from 12 to 16'],
    ]);
    expect((await noted(record, { nested: 'innermost' }))[0]).toBe('The/O Bank/O of/O Oslo/B-LOC ,/O Ltd/O');
    expect((await noted(record, { nested: 2 }))[0]).toBe('The/O Bank/B-BANK of/I-BANK Oslo/I-BANK ,/O Ltd/O');
    expect((await noted(record, { nested: 4 }))[1]).toHaveLength(3);
  });

  it('types with white space, texts without a word, records that were rejected or answered by several', async () => {
    expect(await noted({ text: 'Bo', label: [[0, 2, 'Person Name']] })).toEqual([
      'Bo/B-Person_Name',
      ['renamed 2 "Person Name" to Person_Name'],
    ]);
    const notes = new ReadingNotes();
    const records = [
      { text: 'Bo', spans: [], answer: 'accept' },
      { text: 'Ek', spans: [], answer: 'reject' },
      { text: ' ', spans: [], answer: 'accept' },
    ];
    expect(await tagged(file(records.map((record) => JSON.stringify(record)).join('\n')), {}, notes)).toEqual(
      ['Bo/O'],
    );
    expect(notes.counts).toEqual({ unanswered: 1, wordless: 1 });
    const answer = (labels: string[]) => ({ result: [{ value: { start: 0, end: 2, labels } }] });
    const tasks = [
      { data: { title: 'Bo' }, annotations: [answer(['A']), answer(['B'])] },
      { data: { title: 'Bo' }, annotations: [{ ...answer(['A']), was_cancelled: true }] },
      { data: { title: 'Bo' }, annotations: [] },
    ];
    const left = new ReadingNotes();
    expect(await tagged(file(JSON.stringify(tasks)), {}, left)).toEqual(['Bo/B-A']);
    expect(left.counts).toEqual({ unanswered: 2, repeated: 1 });
    expect(left.lines().join('\n')).toMatch(/2 records that are not annotated.*:1 task/);
  });
});

describe('offsets', () => {
  const text = '👍 Bo Ek';
  it('count code points, or UTF-16 units where that is said, and stay what they were', async () => {
    for (const [label, options] of [
      [[2, 7, 'PER'], {}],
      [[3, 8, 'PER'], { offsets: 'utf16' }],
    ] as [unknown[], ReadOptions][]) {
      const [sentence] = await readSentences(file(JSON.stringify({ text, label: [label] })), options);
      expect(sentence!.tags).toEqual(['O', 'B-PER', 'I-PER']);
      expect(sentence!.offsets).toEqual([
        [0, 2],
        [3, 5],
        [6, 8],
      ]);
      const place = { start: label[0], end: label[1], text: 'Bo Ek' };
      expect(placeOf(sentence!, 1, 2)).toEqual(place);
    }
  });

  it('that count something else than is said are told by the text that a span should have', async () => {
    const span = { start: 3, end: 8, text: 'Bo Ek', labels: ['PER'] };
    const error = await thrownBy(() =>
      tagged(file(JSON.stringify([{ text: `${text} won`, label: [span] }]))),
    );
    expect(error.message).toMatch(/:1: expected "Bo Ek" at 3 to 8.*offsets: utf16/);
    const notes = new ReadingNotes();
    await tagged(
      file(JSON.stringify([{ text: `${text} won`, label: [{ ...span, text: 'Ann' }] }])),
      { offsets: 'utf16' },
      notes,
    );
    expect(notes.counts).toEqual({ differing: 1 });
  });
});

describe('columns of which several hold tags', () => {
  const nested = '1\tFC\tB-ORG\tO\n2\tOslo\tI-ORG\tB-LOC\n3\twon\tO\tO\n';
  it('are asked about', async () => {
    const error = await thrownBy(() => tagged(file(nested)));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { columns: [2, 3] } });
    expect(error.message).toMatch(/2 \(B-ORG, I-ORG\) and 3 \(B-LOC\).*`tagColumn`.*`nested`/);
    const names = await thrownBy(() => tagged(file('word,tag,ner\na,B-X,B-Y\nb,O,O\n')));
    expect(names.message).toMatch(/ner|tag/);
    expect(names.details).toMatchObject({ columns: ['tag', 'ner'] });
  });

  it('are read as `tagColumn` or `nested` says', async () => {
    const notes = new ReadingNotes();
    expect(await tagged(file(nested), { nested: 'outermost' }, notes)).toEqual(['FC/B-ORG Oslo/I-ORG won/O']);
    expect(notes.places).toMatchObject([{ kind: 'nested', line: 2, what: 'LOC "Oslo"' }]);
    expect(await tagged(file(nested), { nested: 'innermost' })).toEqual(['FC/O Oslo/B-LOC won/O']);
    expect(await tagged(file(nested), { nested: 2 })).toEqual(['FC/O Oslo/B-LOC won/O']);
    expect(await tagged(file(nested), { tagColumn: 2 })).toEqual(['FC/B-ORG Oslo/I-ORG won/O']);
    expect(await tagged(file('word,tag,ner\na,B-X,B-Y\n'), { tagColumn: 'tag' })).toEqual(['a/B-X']);
    const beyond = await thrownBy(() => tagged(file(nested), { nested: 3 }));
    expect(beyond).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'nested' } });
  });

  it('are one where the others hold chunks, or mark nothing', async () => {
    expect(await tagged(file('a B-NP O\nb B-VP O\n'))).toEqual(['a/O b/O']);
    expect(await tagged(file('a O B-X\nb O O\n'))).toEqual(['a/B-X b/O']);
    expect(await tagged(file('a DT B-NP\nb VB B-VP\n'))).toEqual(['a/B-NP b/B-VP']);
  });
});

describe('tags that are numbers', () => {
  const content = '{"id":"0","tokens":["Bo","won"],"ner_tags":[1,0]}\n';
  it('need names, which may come between commas, and may be types alone', async () => {
    const error = await thrownBy(() => tagged(file(content)));
    expect(error.message).toMatch(/:1: .*the number 1.*`tagNames`.*id2label/);
    expect(await tagged(file(content), { tagNames: ['O', 'B-PER'] })).toEqual(['Bo/B-PER won/O']);
    expect(await tagged(file(content), { tagNames: ['O,B-PER'] })).toEqual(['Bo/B-PER won/O']);
    expect(await tagged(file(content), { tagNames: ['O', 'PER'] })).toEqual(['Bo/B-PER won/O']);
    expect(await tagged(file('word,tag\nBo,1\nwon,0\n'), { tagNames: ['O', 'B-PER'] })).toEqual([
      'Bo/B-PER won/O',
    ]);
  });
});

describe('words alone', () => {
  const read = (content: string) => readSentences(file(content), {}, { tags: 'ignored' });
  it.each([
    ['text', 'Bo Ek won\n\nHe did\n', [['Bo', 'Ek', 'won'], [], ['He', 'did']]],
    ['a word a line', 'Bo\nwon\n\nHe\n', [['Bo', 'won'], ['He']]],
    ['columns with tags of any kind', 'Bo\tB-PER\nwon\t?\n', [['Bo', 'won']]],
    ['JSON lines without tags', '{"words":["Bo","won"]}\n', [['Bo', 'won']]],
    ['texts without spans', '{"text":"Bo won"}\n', [['Bo', 'won']]],
    ['CSV without tags', 'word,pos\nBo,NN\nwon,VB\n', [['Bo', 'won']]],
  ])('are read of %s', async (_, content, expected) => {
    const sentences = await read(content);
    expect(sentences.map(({ words }) => words)).toEqual(expected);
    expect(new Set(sentences.flatMap(({ tags }) => tags))).toEqual(new Set(['O']));
  });
});

describe('what is damaged is refused with its place', () => {
  it.each([
    [
      'a JSON array that breaks off',
      '[{"words":["a"],"tags":["O"]},\n{"words":',
      /:2: expected the end of the object that begins on line 2/,
    ],
    [
      'a JSON array without a comma',
      '[{"words":["a"],"tags":["O"]}\n\n{"a":1}]',
      /:3: expected a comma or \]/,
    ],
    [
      'something behind an array',
      '[{"words":["a"],"tags":["O"]}]\nx',
      /:2: expected nothing behind the array/,
    ],
    ['JSON that is none', '[{"words":["a"],"tags":["O"]},\n{"words":[a]}]', /:2: expected a JSON object/],
    [
      'a span beyond the text',
      '{"text":"Bo","label":[[0,3,"PER"]]}',
      /:1: expected a span between 0 and 2 .*PER from 0 to 3/,
    ],
    ['a span from behind', '{"text":"Bo Ek","label":[[3,1,"PER"]]}', /:1: expected a span between 0 and 5/],
    [
      'a span without a type',
      '{"text":"Bo","label":[[0,2]]}',
      /:1: expected a span such as \[0, 5, "PER"\].*got \[0,2\]/,
    ],
    [
      'texts without spans',
      '{"text":"Bo"}\n{"text":"Ek"}',
      /: expected spans beside the texts.*got the keys text/,
    ],
    [
      'another record among texts',
      '{"text":"Bo","label":[]}\n{"x":1}',
      /:2: expected a text with spans.*the keys x/,
    ],
    [
      'a task without a text',
      '[{"data":{"a":1},"annotations":[{"result":[]}]}]',
      /:1: expected a text in "text"/,
    ],
    [
      'a row of CSV that is short',
      'word,tag\nBo,B-PER\nEk\n',
      /:3: expected 2 cells as in the header \(word, tag\), got 1/,
    ],
    ['a cell of CSV without a word', 'word,tag\n,B-PER\n', /:2: expected a word in column word/],
    ['CSV with a wrong tag', 'word,tag\nBo,person\n', /:2: expected a tag.*got "person".*scheme: io/],
    [
      'CoNLL-U without a tag',
      '1\ta\ta\tX\t_\t_\t0\troot\t_\t_\n',
      /: expected NER=B-type in the last column/,
    ],
    [
      'JSON in Latin-1',
      Buffer.from('[\n{"words":["caf\xe9"],"tags":["O"]}]', 'latin1'),
      /:2: expected text in UTF-8/,
    ],
  ] as [string, string | Uint8Array, RegExp][])('%s', async (_, content, message) => {
    const error = await thrownBy(() => tagged(file(content)));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('BRAT without its text, and with a line that is no annotation', async () => {
    const alone = await thrownBy(() => tagged(write('alone.ann', 'T1\tPER 0 2\tBo\n')));
    expect(alone).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(alone.message).toMatch(/alone\.ann: expected the annotated text in .*alone\.txt/);
    write('bad.txt', 'Bo');
    for (const [line, message] of [
      ['T1 PER 0 2', /bad\.ann:2: expected T1<tab>PER 0 5/],
      ['T1\tPER 0 3\tBo ', /bad\.ann:2: expected a span between 0 and 2/],
      ['hello', /bad\.ann:2: expected an annotation of brat/],
    ] as [string, RegExp][]) {
      const error = await thrownBy(() => tagged(write('bad.ann', `\n${line}\n`)));
      expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { line: 2 } });
      expect(error.message).toMatch(message);
    }
  });
});

describe('large arrays', () => {
  it('are read one record after another, whatever the line', async () => {
    const records = Array.from({ length: 20_000 }, (_, i) => ({
      words: [`w${i}`, 'дом{"[', '👍'],
      tags: ['B-X', 'O', 'O'],
    }));
    const sentences = await readSentences(file(JSON.stringify(records)));
    expect(sentences).toHaveLength(20_000);
    expect(sentences.every(({ words }, i) => words[0] === `w${i}` && words[2] === '👍')).toBe(true);
  });

  it('with a record of more than sixteen million characters are refused', async () => {
    const error = await thrownBy(() => readSentences(file(`[{"text":"${'x'.repeat(18e6)}","label":[]}]`)));
    expect(error.message).toMatch(/:1: expected records of at most 16777216 characters/);
  });
});
