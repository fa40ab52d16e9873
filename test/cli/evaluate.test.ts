import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { computeMetrics, readPredictions } from '../../src/entries/metrics.js';
import type { Sentence } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const task = smallTask();
const folder = mkdtempSync(join(tmpdir(), 'permafrost-evaluate-'));
const at = (name: string) => join(folder, name);
const output = capturedOutput();

const conll = (sentences: readonly Pick<Sentence, 'words' | 'tags'>[]) =>
  sentences.map(({ words, tags }) => words.map((word, i) => `${word}\t${tags[i]}\n`).join('')).join('\n');
/** The first person of the corpus becomes two awards, and everything else stays. */
const withUnknown = () => {
  const [first, ...rest] = task.test;
  const sentence = { words: [...first!.words, 'Nobel', 'Prize', 'Fields'], tags: [...first!.tags] };
  sentence.tags.push('B-award', 'I-award', 'B-award');
  return [sentence, ...rest];
};

beforeAll(async () => {
  const fresh = await task.createModel();
  await fresh.save(at('model'));
  await fresh.dispose();
  writeFileSync(at('test.conll'), conll(task.test));
  writeFileSync(at('unknown.conll'), conll(withUnknown()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const evaluate = (...args: string[]) => main(['evaluate', ...args, '--json']);
const ofModel = (...args: string[]) => evaluate('--model', at('model'), '--threads', '1', ...args);
const records = () =>
  output.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('permafrost evaluate', () => {
  it('judges every entity, gold and predicted, once', async () => {
    expect(await ofModel('--data', at('test.conll'), '--predictions', at('predictions.jsonl'))).toBe(0);
    const [{ metrics, errors }] = records();
    const answers = await readPredictions(at('predictions.jsonl'));
    expect(metrics).toEqual(
      computeMetrics(
        task.test.map(({ tags }) => tags),
        answers.map(({ predicted }) => predicted),
        metrics.counts,
      ),
    );
    expect(answers.map(({ words, gold }) => [words, gold])).toEqual(
      task.test.map(({ words, tags }) => [words, tags]),
    );
    expect(answers[0]!.source).toBe(`${at('test.conll')}:1`);
    const { correct, type, boundary, both, missed, spurious } = errors;
    const { support, recall, precision } = metrics.entities.micro;
    expect(correct + type + boundary + both + missed).toBe(support);
    expect(correct / support).toBeCloseTo(recall, 12);
    expect(correct / (correct + type + boundary + both + spurious)).toBeCloseTo(precision, 12);
    const lines = readFileSync(at('predictions.jsonl'), 'utf8').trimEnd().split('\n');
    const entities = lines.flatMap((line) => JSON.parse(line).entities);
    for (const kind of Object.keys(errors)) {
      expect(entities.filter((entity) => entity.kind === kind)).toHaveLength(errors[kind]);
    }
    for (const [index, line] of lines.entries()) {
      for (const { gold, predicted } of JSON.parse(line).entities) {
        for (const span of [gold, predicted]) {
          if (span) expect(span.text).toBe(task.test[index]!.words.slice(span.start, span.end).join(' '));
        }
      }
    }
  });

  it('tells the probability of each tag where scores are asked for, and the tags are the same', async () => {
    const plain = await readPredictions(at('predictions.jsonl'));
    const args = ['--data', at('test.conll'), '--predictions', at('scored.jsonl'), '--scores'];
    expect(await ofModel(...args)).toBe(0);
    const scored = await readPredictions(at('scored.jsonl'));
    expect(scored.map(({ scores: _, ...rest }) => rest)).toEqual(plain);
    const least = 1 / task.labels.length;
    for (const { words, scores } of scored) {
      expect(scores).toHaveLength(words.length);
      for (const score of scores!) {
        expect(score).toBeGreaterThanOrEqual(least);
        expect(score).toBeLessThanOrEqual(1);
      }
    }
    const [line] = readFileSync(at('scored.jsonl'), 'utf8').split('\n');
    const { entities, scores } = JSON.parse(line!);
    const { predicted } = entities.find((entity: { predicted: object | null }) => entity.predicted);
    const own = scores.slice(predicted.start, predicted.end);
    expect(predicted.score).toBeCloseTo(own.reduce((a: number, b: number) => a + b) / own.length, 12);
  });

  it('scores predictions without a model, those of others too', async () => {
    expect(await ofModel('--data', at('test.conll'))).toBe(0);
    const [own] = records();
    output.out = '';
    expect(await evaluate('--from', at('predictions.jsonl'))).toBe(0);
    const [{ metrics, errors }] = records();
    expect({ metrics, errors }).toEqual({ metrics: own.metrics, errors: own.errors });
    const others = {
      words: ['Ada', 'Berg', 'won'],
      gold: ['B-PER', 'I-PER', 'O'],
      predicted: ['B-PER', 'O', 'O'],
    };
    writeFileSync(at('others.jsonl'), `${JSON.stringify(others)}\n`);
    output.out = '';
    expect(await evaluate('--from', at('others.jsonl'), '--predictions', at('judged.jsonl'))).toBe(0);
    expect(records()[0].errors).toEqual({
      correct: 0,
      type: 0,
      boundary: 1,
      both: 0,
      missed: 0,
      spurious: 0,
    });
    expect(JSON.parse(readFileSync(at('judged.jsonl'), 'utf8'))).toEqual({
      source: `${at('others.jsonl')}:1`,
      ...others,
      entities: [
        {
          kind: 'boundary',
          gold: { type: 'PER', start: 0, end: 2, text: 'Ada Berg' },
          predicted: { type: 'PER', start: 0, end: 1, text: 'Ada' },
        },
      ],
    });
  });

  it('scores predictions in columns', async () => {
    const answers = await readPredictions(at('predictions.jsonl'));
    const rows = (separator: string, middle: string[]) =>
      answers
        .map(({ words, gold, predicted }) =>
          words.map((word, i) => `${[word, ...middle, gold[i], predicted[i]].join(separator)}\n`).join(''),
        )
        .join('\n');
    expect(await evaluate('--from', at('predictions.jsonl'))).toBe(0);
    const [{ metrics, errors }] = records();
    for (const text of [rows(' ', ['NN', 'O']), rows('\t', [])]) {
      writeFileSync(at('columns.txt'), text);
      output.out = '';
      expect(await evaluate('--from', at('columns.txt'))).toBe(0);
      // Readers give IOB2: an I- that nothing precedes is a B-, which changes labels of words and no entity.
      const [read] = records();
      expect({ entities: read.metrics.entities, errors: read.errors }).toEqual({
        entities: metrics.entities,
        errors,
      });
    }
    writeFileSync(at('columns.txt'), 'Ada B-PER\n');
    output.out = '';
    expect(await evaluate('--from', at('columns.txt'))).toBe(1);
    expect(records()[0].message).toContain(
      'columns with a word first and its gold and predicted tag last, got 2',
    );
  });

  it('refuses gold types that the model lacks, or counts their entities as missed', async () => {
    expect(await ofModel('--data', at('unknown.conll'))).toBe(1);
    expect(output.out).toContain('LABEL_MISMATCH');
    output.out = '';
    expect(await ofModel('--data', at('unknown.conll'), '--unknown-types', 'miss')).toBe(0);
    const [{ metrics, errors, unknown, loss }] = records();
    expect(unknown).toEqual({ words: 3, entities: { award: 2 } });
    expect(metrics.entities.types.award).toEqual({ precision: 0, recall: 0, f1: 0, support: 2 });
    expect(errors.correct).toBe(Math.round(metrics.entities.micro.recall * metrics.entities.micro.support));
    expect(loss).toBeGreaterThan(0);
    output.out = '';
    const plain = ['--model', at('model'), '--threads', '1', '--data', at('unknown.conll')];
    expect(await main(['evaluate', ...plain, '--unknown-types', 'miss'])).toBe(0);
    expect(output.out).toContain('no label for: 2 gold entities (award 2)');
  });

  it.each([
    [['--data', 'a.conll'], '--model DIR or --from FILE: expected one of them, got none'],
    [['--model', 'a', '--from', 'b'], 'expected one of them, got both'],
    [['--from', 'a', '--data', 'b'], 'Leave out --data and --dataset'],
  ])('ends with exit code 2 after %j', async (args, message) => {
    expect(await evaluate(...args)).toBe(2);
    expect(records()[0].message).toContain(message);
  });

  it('refuses a file of predictions that is damaged or empty', async () => {
    writeFileSync(at('damaged.jsonl'), '{"words":["a"],"gold":["O"],"predicted":[]}\n');
    writeFileSync(at('empty.jsonl'), '\n');
    for (const [name, place] of [
      ['damaged.jsonl', 'damaged.jsonl:1: '],
      ['empty.jsonl', 'empty.jsonl: '],
    ] as const) {
      output.out = '';
      expect(await evaluate('--from', at(name))).toBe(1);
      expect(records()[0]).toMatchObject({ code: 'DATA_FORMAT' });
      expect(records()[0].message).toContain(place);
    }
  });
});
