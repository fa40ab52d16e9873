import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  AGGREGATION_STRATEGIES,
  type AggregationStrategy,
  aggregate,
  huggingFaceOverlaps,
  huggingFaceWords,
} from '../../src/entries/tagging.js';
import { softmaxRows } from '../../src/evaluation/probabilities.js';
import type { Entity } from '../../src/index.js';
import { cutFixedWindows, cutWindows } from '../../src/text/windows.js';
import { describeShared, sharedAvailable, sharedPath } from '../helpers/shared.js';

interface Token {
  token: string;
  special: boolean;
  start_utf16: number;
  end_utf16: number;
  word_index: number | null;
  is_subword: boolean | null;
}

interface Expected {
  entity?: string;
  entity_group?: string;
  entity_group_newer?: string;
  score: number;
  start_utf16: number;
  end_utf16: number;
}

interface Scored {
  tokens: Token[];
  logits: number[][];
  scores: number[][];
}

interface Case extends Scored {
  name: string;
  text: string;
  id2label: string[];
  ignore_labels: string[];
  expected: Record<AggregationStrategy, Expected[]>;
}

interface WindowedCase extends Omit<Case, keyof Scored> {
  model_max_length: number;
  stride: number;
  windows: Scored[];
  before_overlap: Record<AggregationStrategy, Expected[]> | null;
}

const TOKENIZER = { unknown: '[UNK]', continuingPrefix: '##' };

const read = <T>(name: string): T[] =>
  JSON.parse(readFileSync(sharedPath('fixtures', 'aggregation', name), 'utf8'));
const cases = sharedAvailable ? read<Case>('cases.json') : [];
const windowed = sharedAvailable ? read<WindowedCase>('windows.json') : [];

/** The scored tokens without the special ones, in the form that `aggregate` takes. */
function scoredTokens({ text }: { text: string }, { tokens, scores }: Scored) {
  const own = tokens.map((token, row) => ({ ...token, row })).filter(({ special }) => !special);
  const place = {
    text,
    starts: own.map(({ start_utf16 }) => start_utf16),
    ends: own.map(({ end_utf16 }) => end_utf16),
  };
  return {
    ...place,
    tokens: own.map(({ token }) => token),
    words: huggingFaceWords({ ...place, tokens: own.map(({ token }) => token) }, TOKENIZER),
    wordIds: own.map(({ word_index }) => word_index!),
    scores: Float32Array.from(own.flatMap(({ row }) => scores[row]!)),
    own,
  };
}

function expectEntities(entities: Entity[], expected: Expected[], text: string): void {
  expect(entities.map(({ type, start, end }) => [type, start, end])).toEqual(
    expected.map((entity) => [
      entity.entity_group_newer ?? entity.entity_group ?? entity.entity,
      entity.start_utf16,
      entity.end_utf16,
    ]),
  );
  for (const [i, { score, start, end, text: own }] of entities.entries()) {
    expect(Math.abs(score - expected[i]!.score)).toBeLessThan(1e-6);
    expect(own).toBe(text.slice(start, end));
  }
}

describeShared('the aggregation fixture', () => {
  it('is whole', () => {
    expect(cases).toHaveLength(40);
    expect(windowed).toHaveLength(10);
  });

  it.each(cases.map((fixture) => [fixture.name, fixture] as const))('%s: softmax and words', (_, fixture) => {
    const columns = fixture.id2label.length;
    const scores = softmaxRows(Float32Array.from(fixture.logits.flat()), columns);
    for (const [i, score] of fixture.scores.flat().entries()) {
      expect(Math.abs(scores[i]! - score)).toBeLessThan(3e-7);
    }
    const { words, own } = scoredTokens(fixture, fixture);
    const goesOn = [...words].map((word, token) => token > 0 && word === words[token - 1]);
    expect(goesOn.slice(1)).toEqual(own.map(({ is_subword }) => is_subword).slice(1));
  });

  for (const strategy of AGGREGATION_STRATEGIES) {
    it.each(cases.map((fixture) => [fixture.name, fixture] as const))(`%s: ${strategy}`, (_, fixture) => {
      const entities = aggregate(scoredTokens(fixture, fixture), {
        labels: fixture.id2label,
        strategy,
        ignoreLabels: fixture.ignore_labels,
      });
      expectEntities(entities, fixture.expected[strategy], fixture.text);
    });
  }

  for (const strategy of AGGREGATION_STRATEGIES.filter((name) => name !== 'none')) {
    it.each(windowed.map((fixture) => [fixture.name, fixture] as const))(
      `windows of %s: ${strategy}`,
      (_, fixture) => {
        const options = { labels: fixture.id2label, strategy, ignoreLabels: fixture.ignore_labels };
        const found = fixture.windows.flatMap((window) => aggregate(scoredTokens(fixture, window), options));
        expectEntities(found, fixture.before_overlap?.[strategy] ?? fixture.expected[strategy], fixture.text);
        expectEntities(huggingFaceOverlaps(found), fixture.expected[strategy], fixture.text);
      },
    );
  }

  it.each(windowed.map((fixture) => [fixture.name, fixture] as const))('windows of %s: cut', (_, fixture) => {
    const tokens = new Map<string, Token>();
    for (const window of fixture.windows) {
      for (const token of window.tokens) {
        if (!token.special) tokens.set(`${token.start_utf16}/${token.end_utf16}/${token.token}`, token);
      }
    }
    const all = [...tokens.values()];
    const options = { maxTokens: fixture.model_max_length - 2, overlap: fixture.stride };
    const fixed = cutFixedWindows(all.length, options);
    expect(fixed.map(({ start, end }) => all.slice(start, end).map(({ token }) => token))).toEqual(
      fixture.windows.map((window) =>
        window.tokens.filter(({ special }) => !special).map(({ token }) => token),
      ),
    );
    const own = cutWindows(
      all.map(({ word_index }) => word_index!),
      options,
    );
    expect(own.flatMap(({ from, to }) => all.slice(from, to))).toEqual(all);
  });
});

describeShared('words that the length rule tears apart or melts together', () => {
  const byName = (name: string) => cases.find((fixture) => fixture.name === name)!;
  const wordsOf = (words: ArrayLike<number>, { starts, ends, text }: ReturnType<typeof scoredTokens>) => {
    const spans: string[] = [];
    for (let token = 0, begin = 0; token < words.length; token++) {
      if (token + 1 < words.length && words[token + 1] === words[token]) continue;
      spans.push(text.slice(starts[begin], ends[token]));
      begin = token + 1;
    }
    return spans;
  };

  it.each(['combining-marks', 'combining-marks-hide-a-subword', 'invisible-characters'])(
    '%s: stay whole by the word numbers of the tokenizer',
    (name) => {
      const fixture = byName(name);
      const scored = scoredTokens(fixture, fixture);
      const whole = wordsOf(scored.wordIds, scored);
      expect(wordsOf(scored.words, scored)).not.toEqual(whole);
      expect(whole.filter((word) => /\s/.test(word))).toEqual([]);
      const options = { labels: fixture.id2label, strategy: 'first' as const, ignoreLabels: [] };
      const entities = aggregate({ ...scored, words: scored.wordIds }, options);
      const starts = new Set(scored.starts.filter((_, i) => scored.wordIds[i] !== scored.wordIds[i - 1]));
      const ends = new Set(scored.ends.filter((_, i) => scored.wordIds[i] !== scored.wordIds[i + 1]));
      for (const { start, end } of entities) expect([starts.has(start), ends.has(end)]).toEqual([true, true]);
    },
  );
});
