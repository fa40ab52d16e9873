import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { fixturePath } from '../helpers/shared.js';

type Json = Record<string, unknown>;

interface Fixture {
  sentences: string[][];
  families: Record<string, Json>;
  cases: {
    family: string;
    name: string;
    changes: Json;
    ids: number[][];
    specials: Record<'pad' | 'unk' | 'cls' | 'sep' | 'mask', number>;
  }[];
}

const fixture: Fixture = JSON.parse(readFileSync(fixturePath('tokenizer-files', 'cases.json'), 'utf8'));
const root = mkdtempSync(join(tmpdir(), 'permafrost-tokenizer-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** JSON merge patch. */
function patched(value: unknown, change: unknown): unknown {
  if (!isJson(change)) return change;
  const result: Json = isJson(value) ? { ...value } : {};
  for (const [name, inner] of Object.entries(change)) {
    if (inner === null) delete result[name];
    else result[name] = patched(result[name], inner);
  }
  return result;
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

let directories = 0;
function written(files: unknown): string {
  const directory = join(root, String(directories++));
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files as Json)) {
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

describe.each(Object.keys(fixture.families))('the tokenizer files of %s', (family) => {
  const cases = fixture.cases.filter((one) => one.family === family);

  it.each(cases.map((one) => [one.name, one] as const))(
    'give the ids of Transformers: %s',
    async (_, one) => {
      const tokenizer = await Tokenizer.load(written(patched(fixture.families[family], one.changes)));
      const encode = (words: string[]) => tokenizer.encodeWords(words, { maxLength: 512 }).inputIds;
      expect(fixture.sentences.map(encode)).toEqual(one.ids);
      const { padId: pad, unkId: unk, maskId: mask } = tokenizer;
      expect({ pad, unk, mask }).toEqual({
        pad: one.specials.pad,
        unk: one.specials.unk,
        mask: one.specials.mask,
      });
    },
  );

  it('give a tokenizer that is saved as it was read', async () => {
    const odd = cases.find(
      ({ name }) => name === 'an added token in tokenizer.json and another in the configuration',
    )!;
    const tokenizer = await Tokenizer.load(written(patched(fixture.families[family], odd.changes)));
    const saved = join(root, 'saved');
    await tokenizer.save(saved);
    const again = await Tokenizer.load(saved);
    expect(fixture.sentences.map((words) => again.encodeWords(words).inputIds)).toEqual(odd.ids);
    expect(again.digest).toBe(tokenizer.digest);
    rmSync(saved, { recursive: true });
  });
});
