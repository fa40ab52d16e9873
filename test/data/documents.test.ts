import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWorkspace } from '../../src/experiment/workspace.js';
import { readSentences } from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-documents-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function documentsOf(name: string, text: string): Promise<(string | undefined)[]> {
  const file = join(folder, name);
  writeFileSync(file, text);
  return (await readSentences(file)).map(({ document }) => document);
}

describe('the documents of a file', () => {
  it('are parted by -DOCSTART-, also without a blank line', async () => {
    const text = '-DOCSTART- O\n\na O\n\nb B-X\n-DOCSTART- O\nc O\n\nd O\n';
    expect(await documentsOf('conll.txt', text)).toEqual(['1', '1', '2', '2']);
  });

  it('are parted by # newdoc, and by no other comment', async () => {
    const text = '# newdoc id = x\n# text = a\na\tO\n\n# text = b\nb\tB-X\n\n# newdoc\nc\tO\n';
    expect(await documentsOf('universal.iob2', text)).toEqual(['1', '1', '2']);
  });

  it('are those that JSON lines name', async () => {
    const line = (document: unknown) => JSON.stringify({ words: ['a'], tags: ['B-X'], document });
    const text = ['news', 'news', 7, null].map(line).join('\n');
    expect(await documentsOf('named.jsonl', text)).toEqual(['news', 'news', '7', undefined]);
  });

  it('are not known where nothing parts them', async () => {
    expect(await documentsOf('plain.conll', 'a O\n\nb B-X\n')).toEqual([undefined, undefined]);
  });

  it('are torn apart by a division by chance, which sentences with context refuse', async () => {
    const file = join(folder, 'all.conll');
    writeFileSync(file, Array.from({ length: 40 }, (_, i) => `w${i} B-X\n`).join('\n'));
    const options = { shape: 'layers=1,hidden=16,heads=2', contextTokens: 8 };
    const error = await thrownBy(() => openWorkspace({ ...options, data: file }));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/`contextTokens` 8: `data` draws single sentences/);
    const workspace = await openWorkspace({ ...options, train: file, validation: file });
    expect(workspace.settings.training).toMatchObject({ contextTokens: 8 });
    const { train } = await workspace.portion({}).encoded();
    expect(train.inputIds.length).toBeGreaterThan(40 * 8);
    expect((await thrownBy(async () => workspace.portion({ trainSize: 5 }))).message).toMatch(/`trainSizes`/);
  });
});
