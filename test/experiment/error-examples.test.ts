import { describe, expect, it } from 'vitest';
import type { Prediction } from '../../src/evaluation/predictions.js';
import { ExampleCollector } from '../../src/experiment/error-examples.js';

const GOLD = ['B-PER', 'I-PER', 'O', 'B-LOC'];
const MISSED = ['B-PER', 'I-PER', 'O', 'O'];
const CONFUSED = ['B-ORG', 'I-ORG', 'O', 'B-LOC'];

/** One run that answers so to one sentence after another. */
function run(...answers: string[][]): Prediction[] {
  return answers.map((predicted, index) => ({
    source: `test:${index + 1}`,
    words: ['Ann', 'Lee', 'left', `Rome${index}`],
    gold: GOLD,
    predicted,
  }));
}

function examplesOf(scenarios: Record<string, Prediction[][]>, most?: number) {
  const collector = new ExampleCollector();
  for (const [name, runs] of Object.entries(scenarios)) collector.add(name, runs);
  return collector.choose(most);
}

describe('ExampleCollector', () => {
  it('has every sentence that a scenario gets wrong, with the answer of most runs, equal ones once', () => {
    const found = examplesOf({
      a: [run(GOLD, GOLD, MISSED), run(GOLD, GOLD, MISSED), run(MISSED, GOLD, MISSED)],
      b: [run(CONFUSED, GOLD, MISSED), run(CONFUSED, GOLD, MISSED), run(GOLD, GOLD, GOLD)],
    })!;
    expect(found).toMatchObject({ scenarios: ['a', 'b'], sentences: 3, wrong: 2 });
    expect(found.examples.map(({ source, answerOf }) => ({ source, answerOf }))).toEqual([
      { source: 'test:1', answerOf: [null, 0] },
      { source: 'test:3', answerOf: [0, 0] },
    ]);
    expect(found.examples.map(({ answers }) => answers.map(({ errors }) => errors))).toEqual([
      [[{ kind: 'type', gold: 'PER', predicted: 'ORG' }]],
      [[{ kind: 'missed', gold: 'LOC', predicted: null }]],
    ]);
  });

  it('gives each kind, type and pair of scenarios its share where not all fit', () => {
    // Ninety sentences that both miss, and then one of another kind, and one that only the second gets wrong.
    const same = new Array<string[]>(90).fill(MISSED);
    const scenarios = {
      a: [run(...same, CONFUSED, GOLD)],
      b: [run(...same, CONFUSED, MISSED)],
    };
    const found = examplesOf(scenarios, 4)!;
    expect(found.wrong).toBe(92);
    expect(found.examples).toHaveLength(4);
    expect(found.examples.map(({ source }) => source)).toEqual(
      expect.arrayContaining(['test:91', 'test:92']),
    );
    expect(examplesOf(scenarios, 4)).toEqual(found);
  });

  it('leaves out a scenario of other sentences, and is null without predictions', () => {
    const found = examplesOf({ a: [run(MISSED, GOLD)], b: [run(MISSED)] })!;
    expect(found.scenarios).toEqual(['a']);
    expect(examplesOf({})).toBeNull();
  });
});
