// Lays the repository's documents out as the site's pages, with links between them made to fit. What they link to
// becomes a page as well: other documents, and files that are shown as they stand.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, posix } from 'node:path';

const IN_ROOT = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'CITATION.cff',
  'bench/RESULTS.md',
];
const NAMES = { 'README.md': 'index', 'bench/RESULTS.md': 'results', 'CITATION.cff': 'citation' };
/** Languages of files that are shown, by their endings. */
const LANGUAGES = {
  '.ts': 'ts',
  '.mjs': 'js',
  '.py': 'python',
  '.cff': 'yaml',
  '.yml': 'yaml',
  '.yaml': 'yaml',
  '.json': 'json',
  '.slurm': 'bash',
  '.sh': 'bash',
};

/** The file that stands for a path: a folder is its README, or the first of its programs. */
function fileAt(root, path) {
  if (!existsSync(join(root, path)) || !statSync(join(root, path)).isDirectory()) return path;
  const names = readdirSync(join(root, path)).sort();
  return `${path}/${names.find((name) => name === 'README.md') ?? names.find((name) => extname(name) in LANGUAGES)}`;
}

/** Path in the site, without ending, of a file of the repository. */
export function addressOf(file) {
  if (file in NAMES) return NAMES[file];
  const path = posix.basename(file) === 'README.md' ? posix.dirname(file) : file.replace(/\.(md|ts)$/, '');
  if (posix.dirname(file) === 'docs') return posix.basename(path);
  if (IN_ROOT.includes(file)) return path.toLowerCase();
  return path.replace(/^\./, '').replaceAll('.', '-');
}

/** Text without comments, and with its links made those of the site; what stands in code is left. */
function withLinks(text, file, found) {
  const target = (link) => {
    if (/^([a-z]+:|#)/.test(link)) return link;
    const [path, anchor] = link.split('#');
    const linked = found(posix.normalize(posix.join(posix.dirname(file), path)).replace(/\/$/, ''), link);
    return linked.endsWith('.svg')
      ? `/${posix.basename(linked)}`
      : `/${addressOf(linked)}.md${anchor === undefined ? '' : `#${anchor}`}`;
  };
  return text
    .replace(/^<!-- .*? -->\n/gms, '')
    .split(/(^```.*?^```$|`[^`\n]*`)/ms)
    .map((part, i) =>
      i % 2 === 1 ? part : part.replace(/\]\(([^)\s]+)\)/g, (_, link) => `](${target(link)})`),
    )
    .join('');
}

/** Makes an entry's page of what TypeDoc wrote: its heading, and no HTML, which is read as text. */
function referenceOf(text, title) {
  return text.replace(/^# .*$/m, `# ${title}`).replace(/<a id="[^"]*"><\/a> /g, '');
}

/**
 * Writes every page into a directory, in which `reference/` holds what TypeDoc wrote.
 *
 * @param root of the repository
 * @returns title of each page by its path in the site
 * @throws Error where a document links to what is not there
 */
export function stage(root, pages) {
  const titles = new Map();
  const write = (address, text) => {
    const file = join(pages, `${address}.md`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    titles.set(address, /^# (.*)$/m.exec(text)[1].replaceAll('`', ''));
  };
  const inFolder = (folder, wanted) =>
    readdirSync(join(root, folder))
      .filter((name) => wanted(extname(name)))
      .map((name) => `${folder}/${name}`);
  const files = new Set([
    ...IN_ROOT,
    ...inFolder('docs', (ending) => ending === '.md'),
    ...inFolder('examples', (ending) => ending in LANGUAGES),
  ]);
  // A set is gone through in the order of its growth.
  for (const file of files) {
    if (file.endsWith('.svg')) {
      cpSync(join(root, file), join(pages, 'public', basename(file)));
      continue;
    }
    const text = readFileSync(join(root, file), 'utf8');
    if (!file.endsWith('.md')) {
      const code = `\`\`\`${LANGUAGES[extname(file)] ?? 'text'}\n${text.trimEnd()}\n\`\`\``;
      write(addressOf(file), `# ${basename(file)}\n\n${code}\n`);
      continue;
    }
    const found = (path, link) => {
      if (!existsSync(join(root, path))) throw new Error(`${file} links to ${link}, which is not there`);
      const linked = fileAt(root, path);
      files.add(linked);
      return linked;
    };
    write(addressOf(file), withLinks(text, file, found));
  }
  const reference = join(pages, 'reference');
  for (const name of readdirSync(reference, { recursive: true })) {
    if (!name.endsWith('.md')) continue;
    const path = name.split('\\').join('/').replace(/\.md$/, '');
    const title = path === 'index' ? 'permafrost' : `permafrost/${basename(path)}`;
    write(`reference/${path}`, referenceOf(readFileSync(join(reference, name), 'utf8'), title));
  }
  return titles;
}
