import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { type Entity, Tagger } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const task = smallTask();
const lines = task.test.slice(0, 40).map(({ words }) => words.join(' '));
let folder: string;
let model: string;
const output = capturedOutput();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-predict-'));
  model = join(folder, 'model');
  const fresh = await task.createModel();
  await fresh.save(model);
  await fresh.dispose();
  await writeFile(join(folder, 'text.txt'), `${lines.join('\r\n')}\r\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const predict = (...args: string[]) => main(['predict', '--model', model, '--threads', '1', ...args]);

describe('permafrost predict', () => {
  it('gives entities of a text, one JSON object', async () => {
    expect(await predict('--json', '--text', lines[0]!)).toBe(0);
    const tagger = await Tagger.load(model, { threads: 1 });
    const entities = await tagger.tag(lines[0]!);
    await tagger.dispose();
    expect(entities.length).toBeGreaterThan(0);
    expect(JSON.parse(output.out)).toEqual({ type: 'entities', text: lines[0], entities });
  });

  it('gives entities of each line of a file, in order', async () => {
    const args = ['--input', join(folder, 'text.txt'), '--aggregation', 'simple'];
    expect(await predict('--json', ...args)).toBe(0);
    const found = output.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(found.map(({ text }) => text)).toEqual(lines);
    for (const { text, entities } of found) {
      for (const entity of entities) expect(entity.text).toBe(text.slice(entity.start, entity.end));
    }
    output.out = '';
    expect(await predict(...args)).toBe(0);
    expect(output.out.startsWith(`${lines[0]}\n`)).toBe(true);
  });

  it('gives a tag for each word where no entities are asked for', async () => {
    expect(await predict('--json', '--input', join(folder, 'text.txt'))).toBe(0);
    const first = JSON.parse(output.out.split('\n')[0]!);
    expect(first).toMatchObject({ type: 'prediction', text: lines[0] });
    expect(first.tags.length).toBe(first.words.length);
    for (const tag of first.tags) expect(task.labels).toContain(tag);
  });

  describe('on text as people have it', () => {
    const rows = [
      'Ada Berg in Oslo',
      '',
      '   ',
      'می\u200cخواهم بروم',
      "don't O\u2019Neill \u2764\ufe0f 👩\u200d👧 50oft\u00adhyphen",
      '\u0001 a\u0000b \u200d',
      task.test
        .flatMap(({ words }) => words)
        .slice(0, 400)
        .join(' '),
      'last line',
    ];
    const file = () => join(folder, 'odd.txt');
    beforeAll(() => writeFile(file(), `\ufeff${rows.join('\n')}`));

    const records = () =>
      output.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));

    it('gives one record a line, blank ones too, in order', async () => {
      expect(await predict('--json', '--input', file())).toBe(0);
      expect(records().map(({ text }) => text)).toEqual(rows);
      for (const { words, tags } of records()) expect(tags).toHaveLength(words.length);
      expect(records()[3].words).toEqual(['می\u200cخواهم', 'بروم']);
      output.out = '';
      expect(await predict('--json', '--input', file(), '--aggregation', 'first')).toBe(0);
      expect(records().map(({ text }) => text)).toEqual(rows);
    });

    it('ends the words of each line with a blank line', async () => {
      expect(await predict('--input', file())).toBe(0);
      const blocks = output.out.split('\n').reduce<string[][]>(
        (all, line) => {
          if (line === '') all.push([]);
          else all.at(-1)!.push(line);
          return all;
        },
        [[]],
      );
      // Behind the last blank line stands nothing.
      expect(blocks.splice(-2)).toEqual([[], []]);
      expect(blocks).toHaveLength(rows.length);
      expect(blocks.map(({ length }) => length).slice(0, 4)).toEqual([4, 0, 0, 2]);
    });

    it('tags every word of a line that is longer than the model takes', async () => {
      expect(await predict('--json', '--input', file(), '--max-length', '32')).toBe(0);
      const { words, tags } = records()[6];
      expect(tags).toHaveLength(words.length);
      expect(new Set(tags.slice(200)).size).toBeGreaterThan(1);
    });

    it('says which words have no prediction, and why', async () => {
      expect(await predict('--json', '--input', file())).toBe(0);
      const { words, tags, notes } = records()[5];
      expect(words).toEqual(['\u0001', 'a', '\u0000', 'b']);
      expect(notes.map(({ word }: { word: number }) => word)).toEqual([0, 2]);
      expect([tags[0], tags[2]]).toEqual(['O', 'O']);
      expect(records().filter((record) => 'notes' in record)).toHaveLength(1);
      output.err = '';
      expect(await predict('--input', file())).toBe(0);
      expect(output.err).toMatch(/^line 6, word 1 \("\\u0001"\): the tokenizer leaves nothing of it/m);
    });

    it('refuses bytes that are not UTF-8 by line and offset', async () => {
      await writeFile(file(), Buffer.from('good\ncaf\xe9\n', 'latin1'));
      for (const more of [[], ['--aggregation', 'first']]) {
        output.err = '';
        expect(await predict('--input', file(), ...more)).toBe(1);
        expect(output.err).toContain('[DATA_FORMAT]');
        expect(output.err).toContain('odd.txt:2: ');
        expect(output.err).toContain('byte 8 from the start');
      }
    });
  });

  describe('of a file of data', () => {
    const sentences = [
      { words: ['Ada', '🎉🎉', 'Berg', 'won'], tags: ['B-PER', 'O', 'I-PER', 'O'] },
      ...task.test.slice(0, 12),
    ];
    const rows = (separator: string) =>
      sentences.map(({ words, tags }) => words.map((word, i) => `${word}${separator}${tags[i]}\n`).join(''));
    const files = {
      conll: () => join(folder, 'data.conll'),
      jsonl: () => join(folder, 'data.jsonl'),
    };
    beforeAll(async () => {
      await writeFile(files.conll(), rows('\t').join('\n'));
      await writeFile(files.jsonl(), sentences.map((sentence) => `${JSON.stringify(sentence)}\n`).join(''));
    });
    const records = () =>
      output.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));

    it('gives the entities of each sentence with its place, in code points, in order', async () => {
      expect(await predict('--data', files.conll(), '--json')).toBe(0);
      const answers = records();
      const lines = sentences.map((_, index) =>
        sentences.slice(0, index).reduce((line, { words }) => line + words.length + 1, 1),
      );
      expect(answers.map(({ source }) => source)).toEqual(lines.map((line) => `${files.conll()}:${line}`));
      const tagger = await Tagger.load(model, { threads: 1 });
      for (const [index, { source: _, text, entities, ...more }] of answers.entries()) {
        expect(more).toEqual({});
        expect(text).toBe(sentences[index]!.words.join(' '));
        const expected = await tagger.tag(sentences[index]!.words);
        expect(entities.map(({ type, text }: Entity) => [type, text])).toEqual(
          expected.map(({ type, text }) => [type, text]),
        );
        for (const [i, { start, end, text: own, score }] of entities.entries()) {
          expect(Array.from(text).slice(start, end).join('')).toBe(own);
          expect(score).toBeCloseTo(expected[i]!.score, 5);
        }
      }
      await tagger.dispose();
      expect(answers.flatMap(({ entities }) => entities).length).toBeGreaterThan(10);
      output.out = '';
      expect(await predict('--data', files.jsonl(), '--json')).toBe(0);
      expect(records().map(({ source: _, ...rest }) => rest)).toEqual(
        answers.map(({ source: _, ...rest }) => rest),
      );
      expect(records()[2].source).toBe(`${files.jsonl()}:3`);
    });

    it('tells the tags, their probabilities and the likeliest others of each word', async () => {
      expect(await predict('--data', files.conll(), '--json', '--scores', '--alternatives', '3')).toBe(0);
      for (const { words, tags, scores, alternatives } of records()) {
        for (const [i, best] of alternatives.entries()) {
          expect(best).toHaveLength(3);
          expect(best[0]).toEqual({ tag: tags[i], score: scores[i] });
          expect(best[0].score).toBeGreaterThanOrEqual(best[1].score);
        }
        expect(tags).toHaveLength(words.length);
      }
      const { tags } = records()[0];
      output.out = '';
      expect(await predict('--data', files.conll(), '--scores', '--alternatives', '2')).toBe(0);
      const [first] = output.out.split('\n');
      expect(first).toMatch(/^Ada\t\S+\t0\.\d{4}\t\S+=0\.\d{4} \S+=0\.\d{4}$/);
      expect(first!.split('\t')[1]).toBe(tags[0]);
    });

    it('leaves out entities below the least score, and their words are O', async () => {
      expect(await predict('--data', files.conll(), '--json', '--scores')).toBe(0);
      const all = records();
      const scores = all.flatMap(({ entities }) => entities.map(({ score }: Entity) => score)).sort();
      const least = scores[Math.floor(scores.length / 2)];
      output.out = '';
      expect(await predict('--data', files.conll(), '--json', '--scores', '--min-score', `${least}`)).toBe(0);
      for (const [index, { entities, tags }] of records().entries()) {
        const kept = all[index].entities.filter(({ score }: Entity) => score >= least);
        expect(entities).toEqual(kept);
        const outside = all[index].tags.filter((tag: string) => tag !== 'O').length;
        if (kept.length === 0) expect(new Set(tags)).toEqual(new Set(['O']));
        expect(tags.filter((tag: string) => tag !== 'O').length <= outside).toBe(true);
      }
      expect(scores.length).toBeGreaterThan(records().flatMap(({ entities }) => entities).length);
    });

    it('takes texts as annotation tools have them, and plain ones, blank ones too', async () => {
      const texts = [`🎉 ${lines[0]}`, '', '  ', lines[1]!];
      const file = async (name: string, content: string) => {
        await writeFile(join(folder, name), content);
        output.out = '';
        expect(await predict('--data', join(folder, name), '--json')).toBe(0);
        return records();
      };
      const plain = await file('plain.txt', texts.join('\n'));
      const spans = texts.map((text) =>
        JSON.stringify({ text, label: text === texts[0] ? [[0, 1, 'X']] : [] }),
      );
      const annotated = await file('doccano.jsonl', spans.join('\n'));
      for (const [index, { source, text, entities }] of plain.entries()) {
        expect(source).toBe(`${join(folder, 'plain.txt')}:${index + 1}`);
        expect(text).toBe(texts[index]);
        expect(annotated[index]).toEqual({
          source: `${join(folder, 'doccano.jsonl')}:${index + 1}`,
          text,
          entities,
        });
        for (const { start, end, text: own } of entities) {
          expect(
            Array.from(text as string)
              .slice(start, end)
              .join(''),
          ).toBe(own);
        }
      }
      expect(plain).toHaveLength(texts.length);
      expect(plain[1].entities).toEqual([]);
      output.out = '';
      expect(await predict('--data', join(folder, 'plain.txt'), '--json', '--offsets', 'utf16')).toBe(0);
      for (const { text, entities } of records()) {
        for (const { start, end, text: own } of entities) expect(text.slice(start, end)).toBe(own);
      }
    });

    it('takes the words of columns that have no tags', async () => {
      const words = sentences.map((sentence) => sentence.words);
      const conllu = words.map((row) =>
        row
          .map((word, i) => `${[i + 1, word, '_', 'X', '_', '_', i, 'dep', '_', '_'].join('\t')}\n`)
          .join(''),
      );
      await writeFile(
        join(folder, 'words.conllu'),
        conllu.map((rows) => `# text = of it\n${rows}`).join('\n'),
      );
      await writeFile(join(folder, 'words.txt'), words.map((row) => `${row.join('\n')}\n`).join('\n'));
      for (const name of ['words.conllu', 'words.txt']) {
        output.out = '';
        expect(await predict('--data', join(folder, name), '--json', '--scores')).toBe(0);
        expect(records().map((record) => record.words)).toEqual(words);
      }
    });

    it('predicts every word of a text that is longer than the model takes, and finds entities across windows', async () => {
      const words = Array.from({ length: 60 }, () => sentences[3]!.words).flat();
      await writeFile(join(folder, 'long.txt'), words.join(' '));
      expect(await predict('--data', join(folder, 'long.txt'), '--json', '--max-length', '32')).toBe(0);
      const [{ text, entities }] = records();
      expect(entities.at(-1).end).toBeGreaterThan(text.length * 0.9);
      for (const { start, end, text: own } of entities) expect(text.slice(start, end)).toBe(own);
    });

    it('writes the answers to a file as a whole', async () => {
      expect(await predict('--data', files.conll(), '--json')).toBe(0);
      const expected = output.out;
      output.out = '';
      const out = join(folder, 'made', 'answers.jsonl');
      expect(await predict('--data', files.conll(), '--json', '--out', out)).toBe(0);
      expect(await readFile(out, 'utf8')).toBe(expected);
      expect(records()).toEqual([{ type: 'written', file: out, answers: sentences.length }]);
      await writeFile(join(folder, 'broken.jsonl'), `${JSON.stringify(sentences[1])}\n{`);
      expect(await predict('--data', join(folder, 'broken.jsonl'), '--json', '--out', out)).toBe(1);
      expect(await readFile(out, 'utf8')).toBe(expected);
    });
  });

  it('tells the scores of the words of a text', async () => {
    expect(await predict('--text', lines[0]!, '--scores', '--json')).toBe(0);
    const { type, words, tags, scores } = JSON.parse(output.out);
    expect(type).toBe('prediction');
    expect([tags.length, scores.length]).toEqual([words.length, words.length]);
    output.out = '';
    expect(await predict('--text', lines[0]!, '--json')).toBe(0);
    const { entities } = JSON.parse(output.out);
    output.out = '';
    const least = Math.max(...entities.map(({ score }: Entity) => score));
    expect(await predict('--text', lines[0]!, '--json', '--min-score', `${least}`)).toBe(0);
    const kept = entities.filter(({ score }: Entity) => score >= least);
    expect(JSON.parse(output.out).entities).toEqual(kept);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(entities.length);
  });

  it.each([
    [['--text', 'x', '--input', 'y'], 2, '--input'],
    [['--data', 'x', '--input', 'y'], 2, 'expected one of them, got both'],
    [['--data', 'x', '--rules', 'huggingface'], 2, '--rules: a file of data has words of its own'],
    [['--aggregation', 'first', '--scores'], 2, 'Leave out --aggregation and --rules'],
    [['--tag-column', '1'], 2, '--tag-column: text has no columns or tags'],
    [['--min-score', '2'], 2, '--min-score'],
    [['--aggregation', 'best'], 2, 'average'],
    [['--input', 'nowhere.txt'], 1, 'nowhere.txt'],
    [['--input', '.'], 1, 'not a file'],
  ])('ends with an error after %j', async (args, code, word) => {
    expect(await predict(...args)).toBe(code);
    expect(output.err).toContain(word);
  });
});
