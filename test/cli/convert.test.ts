import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { temporaryFiles } from '../helpers/temporary-file.js';

const write = temporaryFiles();
const captured = capturedOutput();
const RECORD = '{"text":"The Bank of Oslo","label":[[5,16,"ORG"],[12,16,"LOC"]]}\n';

describe('permafrost convert', () => {
  it('writes columns, JSON lines and spans, and says what was not taken word for word', async () => {
    const data = write('doccano.jsonl', RECORD);
    const more = write('more.tsv', 'Bo\tB-PER\n');
    const out = write('out', 'before');
    const convert = (to: string, ...more: string[]) =>
      main(['convert', '--data', data, '--to', to, '--out', out, ...more]);
    expect(await convert('conll', '--data', more)).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe('The\tO\nBank\tB-ORG\nof\tI-ORG\nOslo\tI-ORG\n\nBo\tB-PER\n\n');
    expect(captured.out).toBe(`${out}: 2 sentences, 5 words, 2 entities\n`);
    expect(captured.err).toMatch(
      /1 spans that begin or end inside a word.*doccano\.jsonl:1 ORG from 5 to 16 to "Bank of Oslo"/,
    );
    expect(captured.err).toMatch(/1 entities .* within others.*doccano\.jsonl:1 LOC from 12 to 16/);
    expect(await convert('spans', '--nested', 'innermost')).toBe(0);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({
      text: 'The Bank of Oslo',
      spans: [{ start: 12, end: 16, label: 'LOC' }],
    });
    captured.out = '';
    expect(await convert('jsonl', '--json')).toBe(0);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({
      words: ['The', 'Bank', 'of', 'Oslo'],
      tags: ['O', 'B-ORG', 'I-ORG', 'I-ORG'],
      offsets: [
        [0, 3],
        [4, 8],
        [9, 11],
        [12, 16],
      ],
    });
    const [reading, converted] = captured.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reading).toMatchObject({
      type: 'reading',
      counts: { widened: 1, nested: 1 },
      places: [{ line: 1 }, { line: 1 }],
    });
    expect(converted).toEqual({
      type: 'converted',
      file: out,
      form: 'jsonl',
      sentences: 1,
      words: 4,
      entities: 1,
    });
  });

  it('leaves what was there where it fails, and names the flags', async () => {
    const numbers = write(
      'numbers.jsonl',
      '{"tokens":["Bo"],"ner_tags":["O"]}\n{"tokens":["Bo"],"ner_tags":[1]}\n',
    );
    const out = write('kept', 'before');
    const args = ['--data', numbers, '--to', 'conll', '--out', out];
    expect(await main(['convert', ...args])).toBe(1);
    expect(captured.err).toMatch(/numbers\.jsonl:2: .*the number 1.*--tag-names/);
    expect(readFileSync(out, 'utf8')).toBe('before');
    expect(await main(['convert', ...args, '--tag-names', 'O,B-PER'])).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe('Bo\tO\n\nBo\tB-PER\n\n');
    expect(await main(['convert', '--data', out, '--to', 'conll', '--out', out])).toBe(2);
    expect(await main(['convert', '--data', numbers, '--data', numbers, '--to', 'conll', '--out', out])).toBe(
      2,
    );
    const nested = write('nested.tsv', 'a\tB-X\tO\nb\tO\tB-Y\n');
    const missing = `${out}-not`;
    expect(await main(['convert', '--data', nested, '--to', 'conll', '--out', missing])).toBe(1);
    expect(captured.err).toMatch(/Name one as --tag-column, or say with --nested/);
    expect(existsSync(missing)).toBe(false);
    expect(
      await main(['convert', '--data', nested, '--tag-column', '2', '--to', 'conll', '--out', missing]),
    ).toBe(0);
    expect(readFileSync(missing, 'utf8')).toBe('a\tO\nb\tB-Y\n\n');
  });
});
