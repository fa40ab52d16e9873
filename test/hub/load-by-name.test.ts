import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { MaskedLanguageModel, Tagger, TokenClassifier, Tokenizer } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { type LocalHub, localHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
let folder: string;
let server: LocalHub;
let hub: object;
let files: Record<string, Buffer>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-by-name-'));
  const local = join(folder, 'model');
  await using model = await task.createModel();
  await model.save(local);
  files = Object.fromEntries(readdirSync(local).map((name) => [name, readFileSync(join(local, name))]));
});
beforeEach(async () => {
  server = await localHub({ 'some-one/tagger': { files } });
  hub = { settings: { endpoint: server.url, cacheDirectory: join(folder, 'cache'), token: null } };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a tokenizer, a classifier, a masked language model and a tagger load from the Hub by name', async () => {
  const tokenizer = await Tokenizer.load('some-one/tagger', { hub });
  expect(tokenizer.digest).toBe(task.tokenizer.digest);
  expect(server.requests.some((request) => request.includes('model.safetensors'))).toBe(false);
  await using classifier = await TokenClassifier.load('some-one/tagger', { hub, threads: 1 });
  expect(classifier.labels).toEqual(task.labels);
  await using language = await MaskedLanguageModel.load('some-one/tagger', { hub, threads: 1 });
  expect(language.config.vocabSize).toBe(task.tokenizer.vocabSize);
  const tagger = await Tagger.load('some-one/tagger', { hub, threads: 1 });
  expect(tagger.labels).toEqual(task.labels);
  await tagger.dispose();
});

it('a name that is none there is told of as a path and as a name', async () => {
  const error = await thrownBy(() => TokenClassifier.load('some-one/else', { hub }));
  // What the Hub answers of a repository that is not there, or not for everybody.
  expect(error.code).toBe('ACCESS_DENIED');
  expect(error.message).toContain('some-one/else');
  expect(error.message).toMatch(/There is no .*as a name of the Hub/);
  expect((await thrownBy(() => Tokenizer.load('vocab.txt', { hub }))).code).toBe('FILE_NOT_FOUND');
});
