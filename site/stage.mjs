// Lays the repository's documents out as the site's pages, with links between them made to fit.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, posix } from 'node:path';

const ROOT_DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/RESULTS.md'];
const LANGUAGES = { '.ts': 'ts', '.mjs': 'js', '.py': 'python', '.cff': 'yaml' };

/** Path in the site, without ending, of a document of the repository; null where it has no page. */
export function addressOf(document) {
  if (document === 'README.md') return 'index';
  if (document === 'bench/RESULTS.md') return 'results';
  if (document === 'CITATION.cff') return 'citation';
  if (document === 'examples/service' || document === 'examples/service/README.md') return 'examples/service';
  if (document === 'examples') return 'examples/train';
  const [folder] = document.split('/');
  const extension = extname(document);
  const name = basename(document, extension);
  if (folder === 'examples' && extension in LANGUAGES) return `examples/${name}`;
  if (folder === 'docs' && extension === '.md') return name;
  return ROOT_DOCUMENTS.includes(document) ? name.toLowerCase() : null;
}

/** Text without comments, with its links made those of the site; what stands in code is left. */
function withLinks(text, document, images) {
  const target = (link) => {
    if (/^([a-z]+:|#)/.test(link)) return link;
    const [path, anchor] = link.split('#');
    const resolved = posix.normalize(posix.join(posix.dirname(document), path)).replace(/\/$/, '');
    if (resolved.endsWith('.svg')) {
      images.add(resolved);
      return `/${posix.basename(resolved)}`;
    }
    const address = addressOf(resolved);
    if (address === null) throw new Error(`${document} links to ${link}, which has no page in the site`);
    return `/${address}.md${anchor === undefined ? '' : `#${anchor}`}`;
  };
  return text
    .replace(/^<!-- .*? -->\n/gms, '')
    .split(/(^```.*?^```$|`[^`\n]*`)/ms)
    .map((part, i) =>
      i % 2 === 1 ? part : part.replace(/\]\(([^)\s]+)\)/g, (_, link) => `](${target(link)})`),
    )
    .join('');
}

/** A page that shows a file as it stands. */
function fileOf(root, path) {
  const text = readFileSync(join(root, path), 'utf8').trimEnd();
  return `# ${basename(path)}\n\n\`\`\`${LANGUAGES[extname(path)]}\n${text}\n\`\`\`\n`;
}

/** Makes an entry's page of what TypeDoc wrote: its heading, and no HTML, which is read as text. */
function referenceOf(text, title) {
  return text.replace(/^# .*$/m, `# ${title}`).replace(/<a id="[^"]*"><\/a> /g, '');
}

/**
 * Writes every page into a directory.
 *
 * @param root of the repository
 * @returns title of each page by its path in the site
 * @throws Error where a document links to what has no page
 */
export function stage(root, pages) {
  const titles = new Map();
  const images = new Set();
  const write = (address, text) => {
    const file = join(pages, `${address}.md`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    titles.set(address, /^# (.*)$/m.exec(text)[1].replaceAll('`', ''));
  };
  const inDocs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const documents = [
    ...ROOT_DOCUMENTS,
    ...inDocs.map((name) => `docs/${name}`),
    'examples/service/README.md',
  ];
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8');
    write(addressOf(document), withLinks(text, document, images));
  }
  const shown = readdirSync(join(root, 'examples')).filter((name) => extname(name) in LANGUAGES);
  for (const path of ['CITATION.cff', ...shown.map((name) => `examples/${name}`)]) {
    write(addressOf(path), fileOf(root, path));
  }
  for (const image of images) cpSync(join(root, image), join(pages, 'public', basename(image)));
  const reference = join(pages, 'reference');
  for (const file of readdirSync(reference, { recursive: true })) {
    if (!file.endsWith('.md')) continue;
    const path = file.split('\\').join('/').replace(/\.md$/, '');
    const title = path === 'index' ? 'permafrost' : `permafrost/${basename(path)}`;
    write(`reference/${path}`, referenceOf(readFileSync(join(reference, file), 'utf8'), title));
  }
  return titles;
}
