// Writes docs/api.md: every name of every entry of the package with the first sentence of its documentation.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));
const ENTRIES = ['', 'data', 'metrics', 'tagging', 'training', 'experiment', 'publish'];

/** What an entry exports: name, and the file that declares it. */
export function exportsOf(entry) {
  const file = join(SRC, entry === '' ? 'index.ts' : `entries/${entry}.ts`);
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)';/g)].flatMap(([, names, from]) =>
    names
      .split(',')
      .map((name) => name.replace(/\btype /, '').trim())
      .filter(Boolean)
      .map((name) => ({ name, file: join(dirname(file), from.replace(/\.js$/, '.ts')) })),
  );
}

/** The first sentence of what stands above a declaration; empty where nothing does. */
export function sentenceOf({ name, file }) {
  const text = readFileSync(file, 'utf8');
  const declaration = new RegExp(
    `\\/\\*\\*((?:(?!\\*\\/)[\\s\\S])*)\\*\\/\\s*export (?:declare |abstract |async )*(?:function\\*?|class|const|interface|type) ${name}\\b`,
  );
  const comment = declaration.exec(text)?.[1] ?? '';
  const words = comment
    .replace(/^\s*\* ?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const plain = words.replace(/\{@link ([^}]*)\}/g, '`$1`').replace(/ @\w+ .*$/, '');
  return /^.*?[.;:](?= |$)/.exec(plain)?.[0].replace(/[;:]$/, '.') ?? plain;
}

export function renderApi() {
  const head = [
    '# API',
    '',
    'Made by `npm run docs:api` from the documentation in the sources; change it there. [guide.md](guide.md) goes through the',
    'parts in the order in which they are used.',
    '',
  ];
  const sections = ENTRIES.flatMap((entry) => [
    `## permafrost${entry && `/${entry}`}`,
    '',
    '| name | what it is |',
    '| --- | --- |',
    ...exportsOf(entry).map((one) => `| \`${one.name}\` | ${sentenceOf(one).replaceAll('|', '\\|')} |`),
    '',
  ]);
  return [...head, ...sections].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../docs/api.md', import.meta.url), renderApi());
}
