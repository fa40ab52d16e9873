import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkImports } from './helpers/import-rules.js';

const src = fileURLToPath(new URL('../src/', import.meta.url));

function sourceFiles(): Map<string, string> {
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return new Map(names.map((name) => [name.split(sep).join('/'), readFileSync(join(src, name), 'utf8')]));
}

const check = (files: Record<string, string>) => checkImports(new Map(Object.entries(files)));

describe('the sources', () => {
  it('import downwards only and without cycles', () => {
    const files = sourceFiles();
    expect(files.size).toBeGreaterThan(10);
    expect(checkImports(files)).toEqual([]);
  });
});

describe('checkImports', () => {
  it('accepts imports that go down', () => {
    const files = {
      'model/token-classifier.ts': "import { pack } from '../batching/pack.js';\nimport { z } from 'zod';",
      'batching/pack.ts': "import type { EncodedDataset } from '../contract/encoded-dataset.js';",
      'contract/encoded-dataset.ts': 'export type EncodedDataset = number;',
    };
    expect(check(files)).toEqual([]);
  });

  it('finds an upward import', () => {
    const files = {
      'data/read-conll.ts': "import { encode } from '../text/encode.js';",
      'text/encode.ts': '',
    };
    expect(check(files)).toEqual(['data/read-conll.ts (data) imports text/encode.ts (text)']);
  });

  it('finds an upward import of a type', () => {
    const files = { 'io/digest.ts': "import type { Sentence } from '../data/sentence.js';" };
    expect(check(files)).toEqual(['io/digest.ts (io) imports data/sentence.ts (data)']);
  });

  it.each([
    ['a statement over several lines', "import {\n  type A,\n  b,\n} from '../native/engine.js';"],
    ['a re-export', "export * from '../native/engine.js';"],
    ['an import for its effect', "import '../native/engine.js';"],
    ['a dynamic import', "const engine = await import('../native/engine.js');"],
  ])('finds native code reached from a pure layer by %s', (_, source) => {
    expect(check({ 'freezing/strategy.ts': source })).toEqual([
      'freezing/strategy.ts (freezing) imports native/engine.ts (native)',
    ]);
  });

  it('finds a cycle within a layer', () => {
    const files = {
      'text/a.ts': "import { b } from './b.js';",
      'text/b.ts': "export { c } from './c.js';",
      'text/c.ts': "import { a } from './a.js';",
    };
    expect(check(files)).toEqual(['cycle: text/a.ts → text/b.ts → text/c.ts → text/a.ts']);
  });

  it('allows types to refer to each other across files of a layer', () => {
    const files = {
      'text/a.ts': "import { b } from './b.js';",
      'text/b.ts': "import type { A } from './a.js';",
    };
    expect(check(files)).toEqual([]);
  });

  it('finds imports from outside of src and directories that are no layer', () => {
    const files = { 'utils/helper.ts': "import { run } from '../../scripts/run.mjs';" };
    expect(check(files)).toEqual([
      'utils/helper.ts lies in utils, which is no layer',
      'utils/helper.ts imports ../../scripts/run.mjs from outside of src',
    ]);
  });

  it('does not read imports in comments', () => {
    const source =
      "/**\n * import { x } from '../cli/main.js'\n */\n// import '../cli/main.js'\nexport const a = 1;";
    expect(check({ 'data/a.ts': source })).toEqual([]);
  });
});
