import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { buildProgram } from '../../src/cli/main.js';
import { ERROR_CATALOGUE, renderCatalogue } from '../../src/errors/catalogue.js';
import { ERROR_CODES } from '../../src/errors/error.js';
import { allBlocks, codeBlocks, documents, fileNameOf, inlineCode, ROOT } from './blocks.js';
import { type ShellCommand, shellCommands } from './shell.js';

function typeCheck(files: string[], directory: string): string {
  const options = {
    extends: join(ROOT, 'tsconfig.test.json'),
    compilerOptions: {
      rootDir: ROOT,
      noUnusedLocals: false,
      moduleDetection: 'force',
      typeRoots: [join(ROOT, 'node_modules', '@types')],
      paths: {
        permafrost: [join(ROOT, 'src', 'index.ts')],
        'permafrost/*': [join(ROOT, 'src', 'entries', '*.ts')],
      },
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
      const blocks = allBlocks('ts');
      const files = blocks.map((block) => {
        const file = join(directory, fileNameOf(block));
        writeFileSync(file, block.code);
        return file;
      });
      const checked = new Set(blocks.map(({ document }) => document));
      expect([...checked]).toEqual(expect.arrayContaining(['README.md', 'docs/hub.md', 'docs/tagging.md']));
      // One that is wrong, so that the silence of the others says something.
      const wrong = join(directory, 'wrong.ts');
      writeFileSync(wrong, "import { bottomUp } from 'permafrost';\nbottomUp('six');\n");
      const faults = typeCheck([...files, wrong], directory)
        .trim()
        .split('\n');
      expect(faults).toEqual([expect.stringMatching(/wrong\.ts\(2,10\): error TS2345/)]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** The command line, whose commands do nothing but tell that they were reached. */
function commandLine() {
  const reached: string[] = [];
  const program = buildProgram(() => (..._flags) => {
    reached.push('command');
    return Promise.resolve();
  });
  return { program, reached };
}

describe('the commands in the documents', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const shown = documents().flatMap((document) =>
    codeBlocks(document, 'sh').flatMap(({ code }) =>
      shellCommands(code).map((command) => ({ document, ...command })),
    ),
  );
  const ours = shown
    .filter(({ program }) => program === 'permafrost')
    .map(({ document, args }) => [document, args.join(' '), args] as const);

  it.each(ours)('%s: permafrost %s is a command with these options', async (_document, _text, args) => {
    const { program, reached } = commandLine();
    await program.parseAsync(args, { from: 'user' });
    expect(reached).toEqual(['command']);
  });

  it.each([
    [['trian']],
    [['train', '--no-such-option']],
    [['train', '--freeze']],
    [['paper', '--seeds', 'three']],
  ])('would not pass as %j', async (args) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { program, reached } = commandLine();
    await expect(program.parseAsync(args, { from: 'user' })).rejects.toThrow();
    expect(reached).toEqual([]);
  });

  it('show every command, and lines of each document', () => {
    const commands = new Set(ours.map(([, , args]) => args[0]));
    expect([...commands].sort()).toEqual(
      commandLine()
        .program.commands.map((command) => command.name())
        .sort(),
    );
    const all = new Set(ours.map(([document]) => document));
    expect([...all]).toEqual(expect.arrayContaining(['README.md', 'docs/guide.md', 'docs/hub.md']));
  });

  const scripts = ['.', 'examples/service'].flatMap((folder) =>
    Object.keys(JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')).scripts),
  );
  const spans = documents().flatMap((document) =>
    inlineCode(document).flatMap((code) =>
      shellCommands(code.replace(/[[\]|…"]/g, ' ')).map((command) => ({ document, code, ...command })),
    ),
  );

  it.each([...shown, ...spans].filter(({ program, args }) => isOfNode(program, args)))(
    '$document: $program $args is a script that is there',
    ({ program, args }) => {
      if (program !== 'node') expect(scripts).toContain(args[0] === 'run' ? args[1] : args[0]);
      // A file in no folder is the reader's own.
      else if (args[0]!.includes('/')) expect(existsSync(join(ROOT, args[0]!)), args[0]).toBe(true);
    },
  );

  /** A command, and the one behind `--` that it starts. */
  const partsOf = (program: string, args: readonly string[]) => {
    const cut = args.indexOf('--');
    if (cut < 0) return [[program, ...args]];
    return [args.slice(0, cut), args.slice(cut + 1)].map((part) => [program, ...part]);
  };

  const mentioned = spans.flatMap(({ document, program, args }) =>
    partsOf(program, args).flatMap((words) => {
      const names = words.flatMap((word) => /^--[a-z][a-z0-9-]*/.exec(word)?.[0] ?? []);
      const ofPermafrost = program === 'permafrost' || program.startsWith('--');
      return ofPermafrost ? [[document, words.join(' '), words, names] as const] : [];
    }),
  );

  it.each(mentioned)(
    '%s: `%s` names a command and options that are there',
    (_document, _text, words, names) => {
      const { program } = commandLine();
      let commands = program.commands.flatMap((command) => [command, ...command.commands]);
      if (words[0] === 'permafrost' && words.length > 1 && words[1] !== 'COMMAND') {
        let command = program;
        for (const word of words.slice(1)) {
          const next = command.commands.find((candidate) => candidate.name() === word);
          if (next === undefined) break;
          command = next;
        }
        expect(command, words[1]).not.toBe(program);
        commands = [command];
      }
      const options = commands.flatMap((command) => command.options.map(({ long }) => long));
      expect(['--help', ...options]).toEqual(expect.arrayContaining([...names]));
    },
  );
});

describe('the shell blocks in the documents', () => {
  const blocks = documents().flatMap((document) => codeBlocks(document, 'sh'));
  const run = blocks.filter(({ notRun }) => notRun === null);

  it('are run as they stand where nothing above them says why not', () => {
    expect(run.length).toBeGreaterThan(12);
    const foreign = run.flatMap(({ document, line, code }) =>
      shellCommands(code)
        .filter(({ program, args }) => {
          const isOurs = program === 'permafrost' || program === 'echo';
          return !isOurs || args.some((arg) => /^(?:DIR|F|FILE|OUT|LENGTHS)\b/.test(arg));
        })
        .map(({ program, args }) => `${document}:${line}: ${program} ${args.join(' ')}`),
    );
    expect(foreign).toEqual([]);
  });

  it('say in words why they are not run', () => {
    const reasons = blocks.flatMap(({ notRun }) => (notRun === null ? [] : [notRun]));
    expect(reasons.filter((reason) => !/^\S+ .*\S$/.test(reason))).toEqual([]);
  });
});

/** Whether it runs a script of the package or of the repository. */
function isOfNode(program: ShellCommand['program'], [first]: ShellCommand['args']): boolean {
  if (program === 'node') return first !== undefined && !first.startsWith('-');
  return program === 'npm' && (first === 'run' || first === 'test');
}

describe('the links in the documents', () => {
  it.each(documents())('%s links to files and headings that are there', (document) => {
    const text = readFileSync(join(ROOT, document), 'utf8').replace(/```.*?```/gs, '');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const missing = targets.filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [path, anchor] = target.split('#');
      const file = path === '' ? join(ROOT, document) : resolve(ROOT, dirname(document), path!);
      return !existsSync(file) || (anchor !== undefined && !headings(file).includes(anchor));
    });
    expect(missing).toEqual([]);
  });
});

/** Anchors of a document's headings, as GitHub and the site make them. */
function headings(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/^```.*?^```$/gms, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('docs/errors.md', () => {
  it('is what "npm run docs:errors" writes', () => {
    expect(readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8')).toBe(renderCatalogue());
  });

  it('has every code, in the order of the list', () => {
    expect(Object.keys(ERROR_CATALOGUE)).toEqual([...ERROR_CODES]);
  });
});

describe('docs/troubleshooting.md', () => {
  it('has a row for every code', () => {
    const text = readFileSync(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');
    const rows = new Set([...text.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code!));
    expect(ERROR_CODES.filter((code) => !rows.has(code))).toEqual([]);
  });
});
