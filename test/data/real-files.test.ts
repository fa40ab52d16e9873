import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { labelSet } from '../../src/data/label-set.js';
import { readSentences } from '../../src/data/read-sentences.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

interface FixtureSentence {
  words: string[];
  tags: string[];
  source_sentence: number;
  source_line: number;
}

describeShared('real annotated files', () => {
  it.each([
    ['kaznerd/IOB2_valid.txt', 11_167, 129_223, 13_483],
    ['wnut17/wnut17train.conll', 3_394, 62_730, 1_975],
    // Its last line is a byte order mark and nothing else, which is no word.
    ['wnut17/emerging.dev.conll', 1_009, 15_733, 835],
    ['uner-ewt/en_ewt-ud-dev.iob2', 2_001, 25_149, 966],
  ])('%s has %d sentences, %d words and %d entities', async (file, sentences, words, entities) => {
    const read = await readSentences(sharedPath('data', file));
    const tags = read.flatMap((sentence) => sentence.tags);
    expect(read).toHaveLength(sentences);
    expect(read.flatMap((sentence) => sentence.words)).toHaveLength(words);
    expect(tags).toHaveLength(words);
    expect(tags.filter((tag) => tag.startsWith('B-'))).toHaveLength(entities);
  });

  it('of Universal NER give the words that their comments spell', async () => {
    const file = sharedPath('data', 'uner-ewt', 'en_ewt-ud-dev.iob2');
    const texts = [...readFileSync(file, 'utf8').matchAll(/^# text = (.*)$/gm)].map(([, text]) => text!);
    const read = await readSentences(file);
    const squeeze = (text: string) => text.replace(/\s+/g, '');
    expect(read.map(({ words }) => squeeze(words.join('')))).toEqual(texts.map(squeeze));
  });

  it.each([
    ['kaznerd_valid', 'kaznerd/IOB2_valid.txt'],
    ['wnut17_train', 'wnut17/wnut17train.conll'],
    ['wnut17_dev_odd', 'wnut17/emerging.dev.conll'],
  ])('give the sentences, lines and labels of the fixture %s', async (name, file) => {
    const read = await readSentences(sharedPath('data', file));
    const fixture = readFileSync(sharedPath('fixtures', 'tokenization', `${name}.jsonl`), 'utf8');
    const expected = fixture
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FixtureSentence);
    for (const { words, tags, source_sentence, source_line } of expected) {
      expect(read[source_sentence]).toMatchObject({ words, tags, line: source_line });
    }
    const labels = JSON.parse(readFileSync(sharedPath('fixtures', 'tokenization', 'labels.json'), 'utf8'));
    expect(labelSet(read)).toEqual(labels[name].labels);
  });
});
