import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { Random } from '../../src/io/random.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

const LINES = 4000;
const folder = mkdtempSync(join(tmpdir(), 'permafrost-predict-anything-'));
const file = join(folder, 'lines.txt');
const model = join(folder, 'model');
const output = capturedOutput();

/** What people's files hold beside sentences. */
const ODD = [
  ...Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter((one) => one !== '\n'),
  ...[
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u200c',
    '\u200d',
    '\u200e',
    '\u2028',
    '\u202e',
    '\u2060',
  ],
  ...[
    '\ufe0f',
    '\ufeff',
    '\ufffc',
    '\ufffd',
    '\ufdd0',
    '\u{e0001}',
    '\u{10ffff}',
    '\u0301',
    '\u20e3',
    '\u{1f3fd}',
  ],
  ...[
    '👩\u200d👩\u200d👧',
    '\u2764\ufe0f',
    '\u{1f1f0}\u{1f1ff}',
    '1\ufe0f\u20e3',
    'می\u200cخواهم',
    'क\u094d\u200dष',
    'a\u0301\u0323',
  ],
  ...[
    '[SEP]',
    '<s>',
    '▁',
    '##',
    '—',
    '。',
    '①',
    'ﬁ',
    'İ',
    'ß',
    '한',
    '\t',
    ' ',
    '   ',
    'x'.repeat(200),
    '́'.repeat(50),
  ],
];

function sharedLines(...parts: string[]): string[] {
  return readFileSync(sharedPath('data', ...parts), 'utf8')
    .split(/\n\s*\n/)
    .map((sentence) =>
      sentence
        .split('\n')
        .map((row) => row.split(/[\t ]/)[0]!)
        .join(' '),
    );
}

function oddLine(random: Random): string {
  const length = 1 + random.int(12);
  return Array.from({ length }, () => ODD[random.int(ODD.length)]! + (random.int(2) ? ' ' : '')).join('');
}

describeShared('permafrost predict on thousands of lines of real and broken text', () => {
  const lines: string[] = [];
  let longLine: number;

  beforeAll(async () => {
    const random = new Random(7, 'lines');
    const real = [
      ...sharedLines('kaznerd', 'IOB2_valid.txt').slice(0, 1200),
      ...sharedLines('uner-ewt', 'en_ewt-ud-dev.iob2').slice(0, 800),
      ...sharedLines('wnut17', 'wnut17train.conll').slice(0, 800),
    ];
    const words = real.slice(1200).join(' ').split(/\s+/);
    lines.push(...real, '', ' ', '\t \u3000', 'x'.repeat(64_000), '漢'.repeat(64_000), 'é'.repeat(64_000));
    longLine = lines.length;
    lines.push(words.slice(0, 5000).join(' '), words.slice(5000, 10_000).join(' '));
    while (lines.length < LINES) lines.push(random.int(20) === 0 ? '' : oddLine(random));
    writeFileSync(file, lines.join('\n'));
    const task = smallTask();
    const fresh = await task.createModel(1, { numLayers: 1 });
    await fresh.save(model);
    await fresh.dispose();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const predict = (...args: string[]) =>
    main(['predict', '--model', model, '--threads', '2', '--input', file, ...args]);
  // A carriage return at the end of a line belongs to the end.
  const text = (line: string) => line.replace(/\r$/, '');

  it('tags every word, or says why not', async () => {
    expect(await predict('--json')).toBe(0);
    const records = output.out.trimEnd().split('\n');
    expect(records).toHaveLength(LINES);
    for (const [i, json] of records.entries()) {
      const record = JSON.parse(json);
      expect(record.text).toBe(text(lines[i]!));
      expect(record.tags.length).toBe(record.words.length);
      expect(record.tags.every((tag: unknown) => typeof tag === 'string')).toBe(true);
    }
    const long = JSON.parse(records[longLine]!);
    expect(long.words.length).toBeGreaterThan(4000);
    expect(new Set(long.tags.slice(-1000)).size).toBeGreaterThan(1);
  }, 120_000);

  it('ends each line with a blank line', async () => {
    expect(await predict()).toBe(0);
    expect(output.out.match(/^$/gm)!.length).toBe(LINES + 1);
    expect(output.err).toMatch(/^line \d+, word \d+ .*: the tokenizer leaves nothing of it/m);
  }, 120_000);

  it('finds entities in their places', async () => {
    expect(await predict('--json', '--aggregation', 'first')).toBe(0);
    const records = output.out.trimEnd().split('\n');
    expect(records).toHaveLength(LINES);
    let entities = 0;
    for (const [i, json] of records.entries()) {
      const record = JSON.parse(json);
      expect(record.text).toBe(text(lines[i]!));
      for (const entity of record.entities) {
        expect(record.text.slice(entity.start, entity.end)).toBe(entity.text);
        entities++;
      }
    }
    expect(entities).toBeGreaterThan(1000);
  }, 120_000);
});
