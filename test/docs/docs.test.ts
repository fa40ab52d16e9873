import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/main.js';
import { ERROR_CATALOGUE, renderCatalogue } from '../../src/errors/catalogue.js';
import { ERROR_CODES } from '../../src/errors/error.js';
import { codeBlocks, documents, ROOT } from './blocks.js';

// Documents whose blocks are whole modules.
const WHOLE_MODULES = ['docs/pretraining.md', 'docs/guide.md', 'docs/freezing.md', 'docs/data.md'];

function typeCheck(files: string[], directory: string): string {
  const options = {
    extends: join(ROOT, 'tsconfig.test.json'),
    compilerOptions: {
      rootDir: ROOT,
      noUnusedLocals: false,
      moduleDetection: 'force',
      typeRoots: [join(ROOT, 'node_modules', '@types')],
      paths: { permafrost: [join(ROOT, 'src', 'index.ts')] },
    },
    include: [],
    files,
  };
  const project = join(directory, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(options));
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(manifest), bin.tsc);
  return spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' }).stdout;
}

describe('the code in the documents', () => {
  it('has the types of the package', () => {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    // Within the repository, so that modules resolve as they do there.
    const directory = mkdtempSync(join(ROOT, 'build', 'docs-'));
    try {
      const blocks = WHOLE_MODULES.flatMap((document) => codeBlocks(document, 'ts'));
      const files = blocks.map(({ document, line, code }) => {
        const file = join(directory, `${document.replace(/\W/g, '-')}-line-${line}.ts`);
        writeFileSync(file, code);
        return file;
      });
      expect(files.length).toBeGreaterThan(8);
      expect(typeCheck(files, directory)).toBe('');
      writeFileSync(files[0]!, "import { bottomUp } from 'permafrost';\nbottomUp('six');\n");
      expect(typeCheck(files, directory)).toContain('TS2345');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  const commands = documents().flatMap((document) =>
    codeBlocks(document, 'sh').flatMap(({ code }) =>
      code.split('\n').flatMap((line) => {
        const match = /^(?:npx )?permafrost (?<args>[^#|<>]+)/.exec(line);
        return match ? [[document, match.groups!.args!.trim()] as const] : [];
      }),
    ),
  );

  it.each(commands)('%s: permafrost %s is a command with these options', async (_, args) => {
    let isRun = false;
    const program = buildProgram(() => () => {
      isRun = true;
      return Promise.resolve();
    });
    const words = args.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ''));
    await program.parseAsync(words, { from: 'user' });
    expect(isRun).toBe(true);
  });

  it('shows most commands', () => {
    const shown = new Set(commands.map(([, args]) => args.split(' ')[0]));
    expect([...shown]).toEqual(
      expect.arrayContaining(['paper', 'train', 'evaluate', 'inspect', 'doctor', 'libtorch']),
    );
  });
});

describe('the links in the documents', () => {
  it.each(documents())('%s links to files that are there', (document) => {
    const text = readFileSync(join(ROOT, document), 'utf8').replace(/```.*?```/gs, '');
    const targets = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
    const local = targets.filter((target) => !/^[a-z]+:/.test(target));
    const missing = local.filter((target) => !existsSync(resolve(ROOT, dirname(document), target)));
    expect(missing).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  it('is what "npm run docs:errors" writes', () => {
    expect(readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8')).toBe(renderCatalogue());
  });

  it('has every code, in the order of the list', () => {
    expect(Object.keys(ERROR_CATALOGUE)).toEqual([...ERROR_CODES]);
  });
});
