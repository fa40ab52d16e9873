import { describe, expect, it } from 'vitest';
import { entityReport, type Prediction } from '../../src/entries/metrics.js';
import { compareSentences } from '../../src/evaluation/compare-sentences.js';
import { pairEntities } from '../../src/evaluation/entity-errors.js';
import { entitySpans } from '../../src/evaluation/entity-spans.js';
import { analyseErrors, type ErrorGroup } from '../../src/evaluation/error-analysis.js';
import { Random } from '../../src/io/random.js';
import { thrownBy } from '../helpers/thrown.js';

function prediction(text: string, gold: string, predicted: string, source = 'a:1'): Prediction {
  return { source, words: text.split(' '), gold: gold.split(' '), predicted: predicted.split(' ') };
}

function kinds(gold: string, predicted: string): string[] {
  const pairs = pairEntities(entitySpans(gold.split(' ')), entitySpans(predicted.split(' ')));
  return pairs.map(({ kind, gold, predicted }) => {
    const place = (span: { start: number; end: number } | null) => (span ? `${span.start}-${span.end}` : '');
    return `${kind} ${place(gold)}/${place(predicted)}`;
  });
}

describe('what became of an entity', () => {
  it.each([
    ['B-PER I-PER O', 'B-PER I-PER O', ['correct 0-2/0-2']],
    ['B-PER I-PER O', 'B-ORG I-ORG O', ['type 0-2/0-2']],
    ['B-PER I-PER O', 'B-PER O O', ['boundary 0-2/0-1']],
    ['B-PER I-PER O', 'O B-ORG I-ORG', ['both 0-2/1-3']],
    ['B-PER I-PER O', 'O O O', ['missed 0-2/']],
    ['O O O', 'O B-PER O', ['spurious /1-2']],
    // One prediction over two entities is the partner of the larger overlap alone.
    ['B-PER B-PER I-PER', 'B-PER I-PER I-PER', ['boundary 1-3/0-3', 'missed 0-1/']],
    // Of equal overlaps the left; the other prediction is left over.
    ['B-PER I-PER O', 'B-PER B-PER O', ['boundary 0-2/0-1', 'spurious /1-2']],
    // The right type goes before the larger overlap.
    ['B-PER I-PER I-PER', 'B-ORG I-ORG B-PER', ['boundary 0-3/2-3', 'spurious /0-2']],
    // An equal one is never taken by another.
    ['B-PER O B-ORG', 'B-PER O B-ORG', ['correct 0-1/0-1', 'correct 2-3/2-3']],
  ])('%s against %s is %j', (gold, predicted, expected) => {
    expect(kinds(gold, predicted)).toEqual(expected);
  });

  it('counts every entity of both sides once, whatever the tags', () => {
    const random = new Random(3, 'errors');
    const tags = ['O', 'B-A', 'I-A', 'B-B', 'I-B'];
    const draw = () => Array.from({ length: 9 }, () => tags[random.int(tags.length)]!);
    const sentences = Array.from({ length: 300 }, () => ({ words: draw(), gold: draw(), predicted: draw() }));
    const { total } = analyseErrors([sentences.map((tagged) => ({ source: 'a', ...tagged }))]);
    const { micro } = entityReport(
      sentences.map(({ gold }) => gold),
      sentences.map(({ predicted }) => predicted),
    );
    const { correct, type, boundary, both, missed, spurious, gold, predicted } = total;
    expect(correct + type + boundary + both + missed).toBe(gold);
    expect(correct + type + boundary + both + spurious).toBe(predicted);
    expect([total.precision, total.recall, total.f1]).toEqual([micro.precision, micro.recall, micro.f1]);
    expect(gold).toBe(micro.support);
    for (const count of [correct, type, boundary, both, missed, spurious]) expect(count).toBeGreaterThan(0);
  });
});

describe('the errors of a scenario', () => {
  const train = [
    { words: ['Ann', 'Lee', 'met', 'Oslo'], tags: ['B-PER', 'I-PER', 'O', 'B-LOC'] },
    { words: ['Bergen', 'and', 'bergen'], tags: ['B-ORG', 'O', 'B-LOC'] },
    ...Array.from({ length: 9 }, () => ({ words: ['Oslo'], tags: ['B-LOC'] })),
  ];
  const run = [
    prediction('ANN Lee saw Oslo', 'B-PER I-PER O B-LOC', 'B-PER I-PER O B-ORG'),
    prediction('Bergen is new York', 'B-LOC O B-LOC I-LOC', 'B-LOC O O B-LOC'),
    prediction('Ulaanbaatar', 'B-MISC', 'O'),
  ];
  const analysis = analyseErrors([run], {
    train,
    countTokens: (word) => (word.length > 6 ? 4 : word.length > 4 ? 2 : 1),
  });
  const groups = (title: string) =>
    new Map(
      analysis.groupings
        .find((grouping) => grouping.title === title)!
        .groups.map((group) => [group.name, group]),
    );
  const of = ({ gold, predicted, correct }: ErrorGroup) => [gold, predicted, correct];

  it('are told apart by length, each side by its own', () => {
    const lengths = groups('words of the entity');
    expect([...lengths.keys()]).toEqual(['1', '2']);
    expect(of(lengths.get('1')!)).toEqual([3, 3, 1]);
    expect(of(lengths.get('2')!)).toEqual([2, 1, 1]);
    expect(lengths.get('2')).toMatchObject({ boundary: 1, precision: 1, recall: 0.5 });
    expect(lengths.get('1')).toMatchObject({ boundary: 0, type: 1, missed: 1 });
  });

  it('are told apart by what the training data have', () => {
    const seen = groups('surface form in training');
    expect([...seen.keys()]).toEqual(['seen as this type', 'seen as another type', 'never seen']);
    // Ann Lee, Oslo and Bergen are gold as they were learnt; the organisation Oslo was learnt as a place.
    expect(of(seen.get('seen as this type')!)).toEqual([3, 2, 2]);
    expect(of(seen.get('seen as another type')!)).toEqual([0, 1, 0]);
    expect(of(seen.get('never seen')!)).toEqual([2, 1, 0]);
    const frequency = groups('training entities of the type');
    expect([...frequency.keys()]).toEqual(['10 to 99', '1 to 9', 'none']);
    expect(of(frequency.get('none')!)).toEqual([1, 0, 0]);
    expect(of(frequency.get('10 to 99')!)).toEqual([3, 2, 1]);
  });

  it('are told apart by how words are cut, and by type', () => {
    const tokens = groups('tokens a word');
    expect([...tokens.keys()]).toEqual(['1', 'above 1 to 2', 'above 3']);
    expect(of(tokens.get('above 1 to 2')!)).toEqual([1, 1, 1]);
    expect(of(tokens.get('above 3')!)).toEqual([1, 0, 0]);
    const types = groups('type');
    expect([...types.keys()]).toEqual(['LOC', 'MISC', 'ORG', 'PER']);
    expect(of(types.get('ORG')!)).toEqual([0, 1, 0]);
    expect(types.get('LOC')).toMatchObject({ gold: 3, type: 1, boundary: 1 });
  });

  it('name which types are confused, what is missed and what is invented', () => {
    expect(analysis.confusions).toEqual([
      { gold: 'LOC', predicted: 'ORG', count: 1 },
      { gold: 'MISC', predicted: null, count: 1 },
    ]);
  });

  it('are means over runs of the same sentences', () => {
    const other = run.map((one) => ({ ...one, predicted: one.gold }));
    const both = analyseErrors([run, other]);
    expect(both).toMatchObject({ runs: 2, sentences: 3 });
    expect(both.total).toMatchObject({ gold: 5, correct: 3.5, missed: 0.5, type: 0.5, boundary: 0.5 });
    expect(both.groupings.map(({ title }) => title)).toEqual(['words of the entity', 'type']);
  });

  it('refuse runs of other sentences, and none', async () => {
    const error = await thrownBy(async () => analyseErrors([run, run.slice(1)]));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/same sentences/);
    const gold = run.map((one) => ({ ...one, gold: one.predicted }));
    expect((await thrownBy(async () => analyseErrors([run, gold]))).code).toBe('INVALID_OPTION');
    expect((await thrownBy(async () => analyseErrors([run, [...run, run[0]!]]))).code).toBe('INVALID_OPTION');
    expect((await thrownBy(async () => analyseErrors([]))).code).toBe('INVALID_OPTION');
  });
});

describe('two scenarios', () => {
  const gold = ['B-A O', 'O B-B', 'O O', 'B-A I-A'];
  const run = (predicted: string[]) =>
    predicted.map((tags, i) => prediction('x y', gold[i]!, tags, `f:${i + 1}`));

  it('differ in the sentences that one alone gets right, by most of its runs', () => {
    const right = run(gold);
    const first = [right, right, run(['O O', 'O O', 'B-A O', 'O O'])];
    const second = [run(['B-A O', 'O O', 'O O', 'B-A O']), run(['B-A O', 'O O', 'B-A O', 'B-A I-A']), right];
    const comparison = compareSentences(first, second);
    expect(comparison).toMatchObject({ sentences: 4, bothRight: 3, neitherRight: 0, onlySecond: [] });
    expect(comparison.onlyFirst).toEqual([
      { source: 'f:2', words: ['x', 'y'], gold: ['O', 'B-B'], first: ['O', 'B-B'], second: ['O', 'O'] },
    ]);
    expect(compareSentences(second, first).onlySecond.map(({ source }) => source)).toEqual(['f:2']);
    // Half of the runs are not most of them.
    expect(compareSentences([right, run(['O O', 'O O', 'O O', 'O O'])], [right]).onlySecond).toHaveLength(3);
  });

  it('are refused where they are not of the same sentences', async () => {
    const other = run(gold).map((one) => ({ ...one, words: ['z', 'y'] }));
    expect((await thrownBy(async () => compareSentences([run(gold)], [other]))).code).toBe('INVALID_OPTION');
  });
});
