import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sentence } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { makeRecord } from '../report/records.js';

/** As many layers as the documents freeze, and one that learns. */
const LAYERS = 7;

const task = smallTask();

/** Puts what the documents speak of into a directory: data files, a checkpoint, a model that was trained. */
export async function writeSampleFiles(directory: string): Promise<void> {
  const { train, validation, test } = task;
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const columns = (sentences: readonly Sentence[], line: (word: string, tag: string, i: number) => string) =>
    sentences.map(({ words, tags }) => words.map((word, i) => line(word, tags[i]!, i)).join('')).join('\n');
  for (const [name, sentences] of Object.entries({ train, validation, test, all: train })) {
    write(
      `${name}.conll`,
      columns(sentences, (word, tag) => `${word}\t${tag}\n`),
    );
  }
  // Universal NER: the word's number, word, tag and two columns more.
  write(
    'train.iob2',
    columns(train, (word, tag, i) => `${i + 1}\t${word}\t${tag}\t-\t-\n`),
  );
  // CoNLL-2003, in which a B- stands between neighbours of one type alone.
  write('large.conll', 'EU NNP I-NP I-ORG\nrejects VBZ I-VP O\nGerman JJ I-NP I-MISC\ncall NN I-NP O\n');
  write(
    'train.jsonl',
    `${JSON.stringify({ tokens: ['Anna', 'lives', 'in', 'Almaty'], ner_tags: [1, 0, 0, 3] })}\n`,
  );
  const nested = [
    [5, 21, 'ORG'],
    [19, 21, 'LOC'],
  ];
  write('annotations.jsonl', `${JSON.stringify({ text: 'Near Bank of Almaty KZ.', label: nested })}\n`);
  write(
    'large.jsonl',
    `${JSON.stringify({ text: 'Ann won.', spans: [{ start: 0, end: 3, label: 'PER' }] })}\n`,
  );
  write('texts.jsonl', test.map(({ words }) => `${JSON.stringify({ text: words.join(' ') })}\n`).join(''));
  write('texts.txt', test.map(({ words }) => `${words.join(' ')}\n`).join(''));

  for (const run of ['out/seed-42', 'out/seed-43', 'out/first', 'out/second']) {
    mkdirSync(join(directory, run, 'predictions'), { recursive: true });
    const lines = test.map(({ words, tags }, i) =>
      JSON.stringify({
        source: `test.conll:${i + 1}`,
        words,
        gold: tags,
        // An entity that has lost its last words.
        predicted: tags.map((tag) => (tag.startsWith('I-') ? 'O' : tag)),
      }),
    );
    write(`${run}/predictions/test.jsonl`, `${lines.join('\n')}\n`);
    write(`${run}/record.json`, JSON.stringify(makeRecord({ strategy: 'bottom-up:6', seed: 42 })));
  }

  for (const folder of ['bert-base-uncased', 'out/model']) {
    mkdirSync(join(directory, folder), { recursive: true });
    await using model = await task.createModel(1, { numLayers: LAYERS });
    await model.save(join(directory, folder));
  }
}

/** Files of a dataset of the Hub in which a part has a folder of its own. */
export function sampleDataset(part: string): Record<string, string> {
  const rows = (sentences: readonly Sentence[]) =>
    sentences.map(({ words, tags }) => `${JSON.stringify({ tokens: words, ner_tags: tags })}\n`).join('');
  return {
    [`${part}/train.jsonl`]: rows(task.train),
    [`${part}/validation.jsonl`]: rows(task.validation),
    [`${part}/test.jsonl`]: rows(task.test),
  };
}
