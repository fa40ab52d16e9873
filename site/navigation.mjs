// The order in which the site's pages are read. A page of docs/ that is named nowhere fails the build.

/** Sections of the sidebar; a page is the path of its Markdown file in the repository, without `docs/` and ending. */
const SECTIONS = [
  {
    text: 'Begin',
    pages: ['README', 'first-model', 'installation', 'from-trainer', 'data', 'language', 'guide'],
  },
  { text: 'Freeze', pages: ['freezing-explained', 'freezing', 'search', 'studies', 'transfer', 'paper'] },
  { text: 'Train', pages: ['losses', 'pretraining', 'watching', 'cuda', 'distributed', 'scale'] },
  { text: 'Use', pages: ['tagging', 'service', 'export', 'hub'] },
  {
    text: 'Look up',
    pages: ['commands', 'settings', 'api', 'records', 'errors', 'troubleshooting', 'bench/RESULTS'],
  },
  { text: 'Take part', pages: ['architecture', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG', 'CITATION'] },
];

/** Pages of API reference, made from the doc comments: what they are imported as, and their path. */
const REFERENCE = [
  ['permafrost', 'reference/index'],
  ...['data', 'metrics', 'tagging', 'training', 'experiment', 'publish'].map((entry) => [
    `permafrost/${entry}`,
    `reference/entries/${entry}`,
  ]),
];

/**
 * The sidebar.
 *
 * @param titles title of each page that there is, by its path in the site
 * @param addressOf path in the site of a page as `SECTIONS` names it
 * @throws Error where a page is in no section
 */
export function sidebarOf(titles, addressOf) {
  const left = new Set(titles.keys());
  const item = (text, path) => {
    left.delete(path);
    return { text, link: `/${path === 'index' ? '' : path}` };
  };
  const sections = SECTIONS.map(({ text, pages }) => ({
    text,
    items: pages.map(addressOf).flatMap((path) => (titles.has(path) ? [item(titles.get(path), path)] : [])),
  }));
  const examples = [...titles].filter(([path]) => /^(examples|github)\//.test(path));
  sections.push(
    { text: 'Examples', items: examples.map(([path, title]) => item(title, path)) },
    { text: 'Every name', items: REFERENCE.map(([text, path]) => item(text, path)) },
  );
  const lost = [...left].filter((path) => !path.startsWith('reference/'));
  if (lost.length > 0) throw new Error(`site/navigation.mjs names no place for ${lost.join(', ')}`);
  return sections;
}
