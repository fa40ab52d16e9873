import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DatasetOptions, downloadDataset } from '../../../src/data/hub/download-dataset.js';
import { KNOWN_DATASETS } from '../../../src/data/hub/known-datasets.js';
import { type LocalHub, localHub } from '../../helpers/local-hub.js';
import { thrownBy } from '../../helpers/thrown.js';

const NAMES = ['O', 'B-PER', 'I-PER', 'B-ORG', 'I-ORG', 'B-LOC', 'I-LOC', 'B-MISC', 'I-MISC'];
const FEATURES = {
  tokens: { feature: { dtype: 'string', _type: 'Value' }, _type: 'Sequence' },
  ner_tags: { feature: { names: NAMES, _type: 'ClassLabel' }, _type: 'Sequence' },
};

interface Row {
  tokens: string[];
  ner_tags: (number | string)[];
}

const ROWS: Row[] = [
  { tokens: ['Anna', 'lives', 'in', 'Almaty'], ner_tags: [1, 0, 0, 5] },
  { tokens: ['Алматы', '😀', '.'], ner_tags: [5, 0, 0] },
];

function parquet(
  rows: Row[],
  { info = null as object | null, names = ['tokens', 'ner_tags'], codec = 'SNAPPY' } = {},
): Buffer {
  const isText = typeof rows[0]!.ner_tags[0] === 'string';
  const list = (name: string, type: object) => [
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', ...type },
  ];
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' };
  const bytes = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: rows.map((_, index) => String(index)) },
      { name: names[0]!, data: rows.map(({ tokens }) => tokens) },
      {
        name: names[1]!,
        data: rows.map(({ ner_tags }) => (isText ? ner_tags : ner_tags.map((tag) => BigInt(tag)))),
      },
    ],
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'id', repetition_type: 'OPTIONAL', ...text },
      ...list(names[0]!, text),
      ...list(names[1]!, isText ? text : { type: 'INT64' }),
    ],
    codec,
    ...(info !== null && { kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info }) }] }),
  } as Parameters<typeof parquetWriteBuffer>[0]);
  return Buffer.from(bytes);
}

let home: string;
let hub: LocalHub;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'permafrost-dataset-'));
  hub = await localHub({});
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function get(name: string, more: DatasetOptions = {}, files?: Record<string, Buffer | string>) {
  if (files !== undefined) hub.repos[name] = { type: 'dataset', files };
  const settings = { endpoint: hub.url, cacheDirectory: home, token: null, offline: false, ...more.settings };
  return downloadDataset(name, { retry: { firstDelayMs: 5 }, ...more, settings });
}

const words = (sentences: { words: string[]; tags: string[] }[] | null) =>
  sentences?.map((sentence) => sentence.words.map((word, i) => `${word}/${sentence.tags[i]}`).join(' '));

const EXPECTED = ['Anna/B-PER lives/O in/O Almaty/B-LOC', 'Алматы/B-LOC 😀/O ./O'];

describe('a dataset of the Hub', () => {
  it('is read from the conversion to parquet that a known name stands for, and again without the network', async () => {
    const info = { features: FEATURES };
    hub.repos['eriktks/conll2003'] = {
      type: 'dataset',
      files: { 'conll2003.py': 'raise SystemExit' },
      revisions: {
        'refs/convert/parquet': {
          'conll2003/train/0000.parquet': parquet(ROWS, { info }),
          'conll2003/train/0001.parquet': parquet(ROWS.slice(1), { info }),
          'conll2003/validation/0000.parquet': parquet(ROWS.slice(0, 1), { info }),
          'conll2003/test/0000.parquet': parquet(ROWS.slice(1), { info }),
        },
      },
    };
    const online = await get('conll2003');
    expect(online).toMatchObject({ name: 'eriktks/conll2003', config: 'conll2003' });
    expect(words(online.splits.train)).toEqual([...EXPECTED, EXPECTED[1]]);
    expect(words(online.splits.validation)).toEqual(EXPECTED.slice(0, 1));
    expect(words(online.splits.test)).toEqual(EXPECTED.slice(1));
    const offline = await get('conll2003', { settings: { offline: true } });
    expect(words(offline.splits.train)).toEqual(words(online.splits.train));
  });

  it('of CoNLL columns is read by the names of its files', async () => {
    const column = (word: string, tag: string) => `${word} ${tag}\n\n`;
    const { splits } = await get(
      'issai/kaznerd',
      {},
      {
        'README.md': '# KazNERD',
        'requirements.txt': 'torch',
        'KazNERD/IOB2_train.txt': column('Алматы', 'B-GPE'),
        'KazNERD/IOB2_valid.txt': column('Абай', 'B-PERSON'),
        'KazNERD/IOB2_test.txt': column('екі', 'B-CARDINAL'),
      },
    );
    expect([splits.train, splits.validation, splits.test].map((split) => words(split)?.[0])).toEqual([
      'Алматы/B-GPE',
      'Абай/B-PERSON',
      'екі/B-CARDINAL',
    ]);
  });

  it('finds the class names in dataset_infos.json or in the card', async () => {
    const data = { 'data/train-00000-of-00001.parquet': parquet(ROWS) };
    const infos = JSON.stringify({ default: { features: FEATURES } });
    const first = await get('some/infos', {}, { ...data, 'dataset_infos.json': infos });
    expect(words(first.splits.train)).toEqual(EXPECTED);
    expect(first.splits.test).toBeNull();
    const names = NAMES.map((name, index) => `            '${index}': ${name}`).join('\n');
    const card = `---\nlicense: mit\ndataset_info:\n  features:\n  - name: tokens\n    sequence: string\n  - name: ner_tags\n    sequence:\n      class_label:\n        names:\n${names}\n---\n# Card\n`;
    const second = await get('some/card', {}, { ...data, 'README.md': card });
    expect(words(second.splits.train)).toEqual(EXPECTED);
  });

  it('says what is missing where nothing names the classes', async () => {
    const error = await thrownBy(() => get('some/bare', {}, { 'train.parquet': parquet(ROWS) }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain('does not name its classes');
  });

  it('lists the columns where words or tags cannot be told, and takes those that are named', async () => {
    const info = { features: { tag_ids: FEATURES.ner_tags } };
    const files = { 'train.parquet': parquet(ROWS, { info, names: ['pieces', 'tag_ids'] }) };
    const error = await thrownBy(() => get('some/odd', {}, files));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain('id, pieces, tag_ids');
    expect(error.message).toContain('--token-column');
    const columns = { tokenColumn: 'pieces', tagColumn: 'tag_ids' };
    expect(words((await get('some/odd', columns)).splits.train)).toEqual(EXPECTED);
  });

  it('makes entities of types without B and I', async () => {
    const features = { ner_tags: { feature: { names: ['O', 'art', 'person'], _type: 'ClassLabel' } } };
    const rows = [{ tokens: ['Mona', 'Lisa', 'by', 'Leonardo'], ner_tags: [1, 1, 0, 2] }];
    const { splits } = await get(
      'some/plain',
      {},
      { 'train.parquet': parquet(rows, { info: { features } }) },
    );
    expect(words(splits.train)).toEqual(['Mona/B-art Lisa/I-art by/O Leonardo/B-person']);
  });

  it('asks which part is meant, and lists them', async () => {
    const file = parquet(ROWS, { info: { features: FEATURES } });
    const files = { 'en/train-00000-of-00001.parquet': file, 'kk/train-00000-of-00001.parquet': file };
    const error = await thrownBy(() => get('some/parts', {}, files));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { configs: ['en', 'kk'] } });
    expect((await thrownBy(() => get('some/parts', { config: 'ru' }))).message).toContain('en, kk');
    expect((await get('some/parts', { config: 'kk' })).config).toBe('kk');
  });

  it('reads JSON lines with tags as texts or numbers', async () => {
    const line = (tags: unknown[]) => `${JSON.stringify({ tokens: ROWS[0]!.tokens, ner_tags: tags })}\n`;
    const { splits } = await get(
      'some/lines',
      {},
      {
        'train.jsonl': line(['B-PER', 'O', 'O', 'B-LOC']),
        'dev.jsonl': line([1, 0, 0, 5]),
        'dataset_infos.json': JSON.stringify({ default: { features: FEATURES } }),
      },
    );
    expect(words(splits.train)).toEqual(EXPECTED.slice(0, 1));
    expect(words(splits.validation)).toEqual(EXPECTED.slice(0, 1));
  });

  it('says what it found where there are no such files', async () => {
    const error = await thrownBy(() => get('some/pictures', {}, { 'a.png': 'x', 'b.png': 'y' }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain('a.png, b.png');
  });

  it('refuses a file that is no parquet', async () => {
    const error = await thrownBy(() => get('some/broken', {}, { 'train.parquet': 'no parquet at all' }));
    expect(error).toMatchObject({ code: 'DATA_FORMAT' });
  });

  it('suggests the short name that was meant', async () => {
    expect((await thrownBy(() => get('conll2033'))).message).toContain('Did you mean conll2003?');
  });
});

describe('the table of known datasets', () => {
  it('has each name once, a licence, and a repository that can be', () => {
    const names = KNOWN_DATASETS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(['conll2003', 'kaznerd', 'wnut17', 'wikiann', 'few-nerd', 'uner']);
    for (const { repo, licence, types } of KNOWN_DATASETS) {
      expect(repo).toMatch(/^[\w-]+\/[\w.-]+$/);
      expect(licence).not.toBe('');
      expect(new Set(types).size).toBe(types.length);
    }
    expect(KNOWN_DATASETS.find(({ name }) => name === 'kaznerd')!.types).toHaveLength(25);
  });
});
