// Words a second on one core: with a tokenizer that has seen no word yet, and again when it knows them all.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../../dist/bench/statistics.js';
import { readSentences } from '../../dist/data/read-sentences.js';
import { generateCorpus } from '../../dist/data/synthetic/generate.js';
import { encodeWordsDataset } from '../../dist/text/encode.js';
import { Tokenizer, trainWordPiece } from '../../dist/text/tokenizer.js';

const SENTENCES = 14_000;
const REPETITIONS = 5;

async function makeTokenizer(data, sentences) {
  const vocabulary = join(data, 'bert-base-uncased', 'vocab.txt');
  if (existsSync(vocabulary)) {
    return {
      name: "bert-base-uncased's vocabulary",
      create: () => Tokenizer.load(vocabulary, { lowercase: true }),
    };
  }
  const options = { vocabSize: 8000, lowercase: true, minFrequency: 2 };
  const tokens = trainWordPiece(sentences.flat(), options).tokens();
  return {
    name: 'a vocabulary trained on the corpus',
    create: () => Tokenizer.fromVocab(tokens, { lowercase: true }),
  };
}

/** Corpora as lists of words, by name: a generated one, and real ones where they are at hand. */
async function corporaOf(data) {
  const sizes = { train: SENTENCES, validation: 1, test: 1 };
  const corpora = { generated: generateCorpus('demo', { seed: 42, sizes }).train };
  const real = join(data, 'wnut17', 'wnut17train.conll');
  if (existsSync(real)) corpora['WNUT-17'] = await readSentences(real);
  const lists = Object.entries(corpora).map(([name, sentences]) => [
    name,
    sentences.map(({ words }) => words),
  ]);
  return new Map(lists);
}

async function wordsPerSecond(sentences, create) {
  const words = sentences.reduce((total, sentence) => total + sentence.length, 0);
  const rates = { cold: [], warm: [] };
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const tokenizer = await create();
    for (const driver of ['cold', 'warm']) {
      const start = performance.now();
      encodeWordsDataset(sentences, tokenizer);
      rates[driver].push(words / ((performance.now() - start) / 1000));
    }
  }
  return { words, ...rates };
}

export default {
  title: 'tokenization of English sentences',
  async run({ data, note }) {
    const corpora = await corporaOf(data);
    const { name, create } = await makeTokenizer(data, corpora.get('generated'));
    const rows = [];
    for (const [corpus, sentences] of corpora) {
      note(`  ${corpus}`);
      const { words, cold, warm } = await wordsPerSecond(sentences, create);
      const rates = [cold, warm].map((each) => (median(each) / 1e6).toFixed(2));
      rows.push([corpus, words, new Set(sentences.flat()).size, ...rates]);
    }
    const head = ['corpus', 'words', 'different words', 'cold, million words a second', 'warm'];
    return { head, rows, notes: [`${name}; one core; median of ${REPETITIONS}.`] };
  },
};
