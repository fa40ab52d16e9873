import { describe, expect, it } from 'vitest';
import { AGGREGATION_STRATEGIES } from '../../src/entries/tagging.js';
import { type Entity, readSentences, Tokenizer } from '../../src/index.js';
import {
  planText,
  type TokenizedText,
  tokenizeText,
  tokenizeWords,
} from '../../src/inference/tagged-text.js';
import { Random } from '../../src/io/random.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

const LABELS = ['O', 'B-X', 'I-X', 'B-Y'];
const WINDOW = { maxTokens: 24, overlap: 6 };

/** Entities by the strategies where labels are drawn at random, so that they begin and end anywhere. */
function randomEntities(
  tokens: TokenizedText,
  random: Random,
  strategies = AGGREGATION_STRATEGIES,
): Map<string, Entity[]> {
  const plan = planText(tokens, WINDOW, 'whole-words');
  const scores = plan.windows.map(({ start, end }) =>
    Float32Array.from({ length: (end - start) * LABELS.length }, () => random.next()),
  );
  return new Map(
    strategies.map((strategy) => [
      strategy,
      plan.entities(scores, { labels: LABELS, strategy, ignoreLabels: ['O'] }),
    ]),
  );
}

/** What is wrong with the places of entities in a text: one sentence each. */
function faultsOf(text: string, entities: ReadonlyMap<string, Entity[]>): string[] {
  return [...entities].flatMap(([strategy, found]) => {
    let before = 0;
    return found.flatMap(({ start, end, text: own }) => {
      const faults: string[] = [];
      const place = `${strategy}: ${JSON.stringify(own)} at ${start} of ${JSON.stringify(text)}`;
      if (text.slice(start, end) !== own) faults.push(`other text ${place}`);
      if (own === '' || own.trim() !== own) faults.push(`edges of ${place}`);
      // Tokens of one character share its place; entities of words follow one another.
      const isWords = strategy !== 'none' && strategy !== 'simple';
      if (isWords && start < before) faults.push(`overlap ${place}`);
      if (isWords && /^\p{M}/u.test(text.slice(end))) faults.push(`mark left out ${place}`);
      if (/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(own)) faults.push(`half a character ${place}`);
      before = end;
      return faults;
    });
  });
}

describe('places of entities', () => {
  const words = ['ann', 'in', 'x', 'oslo', 'к', 'ал', '##маты', 'a', '##b', '東', '京'];
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

  it.each([
    ['emoji', '👩‍👩‍👧‍👦 Ann 🏳️‍🌈🇳🇴 x🙂y 👍🏽! 1️⃣ in Oslo'],
    ['combining marks', 'Zu\u0308rich e\u0301 cafe\u0301\u0323, \u0301x a\u034fb Vie\u0302\u0323t Nam'],
    ['line ends and tabs', 'Ann\r\nin\tOslo\r\n\r\n x\u2028y\u0085z \u00a0 Oslo\u3000'],
    ['Arabic and Hebrew', 'مُحَمَّد في القاهرة، ‏שָׁלוֹם עולם‎ (Oslo)'],
    ['Indic scripts and Thai', 'दिल्ली में क्षेत्र, தமிழ் நாடு, กรุงเทพมหานคร'],
    ['Chinese, Japanese, Korean', '東京タワー、서울특별시 北京市𠀋𠮷 한국어'],
    ['Cyrillic', 'Қазақстан, Алматы қ. Й й Ё — «Oslo»'],
    ['characters of two units', '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒳 Ann 𐍈 in 𐀀𐀁 Oslo😂.'],
    ['halves of characters, controls', 'Ann \ud83d in \ude00 Oslo \u0000x\u200b\ufeff \u00ady\u200d z'],
    ['specials typed out', '[CLS] Ann [SEP] in [MASK] Oslo [UNK] [PAD]'],
  ])('are exact in %s', async (_, text) => {
    for (const lowercase of [true, false]) {
      const tokenizer = Tokenizer.fromVocab([...specials, ...words], { lowercase });
      const random = new Random(3, text);
      const tokens = await tokenizeText(text, tokenizer, 'whole-words');
      expect(tokens.inputIds.length).toBeGreaterThan(3);
      for (let round = 0; round < 20; round++) {
        expect(faultsOf(text, randomEntities(tokens, random))).toEqual([]);
      }
    }
  });
});

/** Sentences of a file from its beginning to its end. */
const sample = <Item>(all: readonly Item[]) => all.filter((_, i) => i % 4 === 0);

describeShared('places of entities in real text', () => {
  it.each([
    'kaznerd/IOB2_valid.txt',
    'uner-ewt/en_ewt-ud-dev.iob2',
    'wnut17/emerging.dev.conll',
    'wnut17/wnut17train.conll',
  ])('are exact in %s, and those of given words are the words', async (file) => {
    const tokenizer = await Tokenizer.load(sharedPath('data', 'bert-base-uncased', 'vocab.txt'));
    const random = new Random(4, file);
    const faults: string[] = [];
    let count = 0;
    for (const [i, { words }] of sample(
      await readSentences(sharedPath('data', ...file.split('/'))),
    ).entries()) {
      const text = words.join(' ');
      // All strategies in turn: every text by each would take minutes.
      const strategies = [AGGREGATION_STRATEGIES[i % AGGREGATION_STRATEGIES.length]!];
      const tokens = await tokenizeText(text, tokenizer, 'whole-words');
      faults.push(...faultsOf(text, randomEntities(tokens, random, strategies)));
      const starts = new Set<number>();
      const ends = new Set<number>();
      let offset = 0;
      for (const word of words) {
        starts.add(offset);
        ends.add(offset + word.length);
        offset += word.length + 1;
      }
      for (const [strategy, entities] of randomEntities(
        tokenizeWords(words, tokenizer),
        random,
        strategies,
      )) {
        for (const { start, end, text: own } of entities) {
          count++;
          const isWhole = starts.has(start) && ends.has(end) && text.slice(start, end) === own;
          if (!isWhole) faults.push(`${strategy}: ${own} of ${text}`);
        }
      }
    }
    expect(faults).toEqual([]);
    expect(count).toBeGreaterThan(1000);
  });
});
