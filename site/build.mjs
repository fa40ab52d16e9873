// Builds the site into site/dist: the documents, the examples, and the reference from the doc comments.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faultsOf } from './check-links.mjs';
import { sidebarOf } from './navigation.mjs';
import { addressOf, stage } from './stage.mjs';

const SITE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(SITE, '..');
const PAGES = join(SITE, 'pages');
const BASE = process.env.PERMAFROST_SITE_BASE ?? '/';

/** Path in the repository of a name of the navigation. */
function documentOf(name) {
  const inRoot = [`${name}.md`, `${name}.cff`].find((path) => existsSync(join(ROOT, path)));
  return inRoot ?? `docs/${name}.md`;
}

if (!existsSync(join(SITE, 'node_modules', '.package-lock.json'))) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: SITE, stdio: 'inherit' });
}
const reference = join(PAGES, 'reference');
// Pages are quickly written anew; PERMAFROST_SITE_REFERENCE=keep leaves the reference as it was made last.
const keeps = process.env.PERMAFROST_SITE_REFERENCE === 'keep' && existsSync(reference);
for (const name of existsSync(PAGES) ? readdirSync(PAGES) : []) {
  if (!keeps || name !== 'reference') rmSync(join(PAGES, name), { recursive: true, force: true });
}
if (!keeps) {
  execFileSync(process.execPath, [join(SITE, 'node_modules', 'typedoc', 'bin', 'typedoc')], {
    cwd: SITE,
    stdio: 'inherit',
  });
  rmSync(join(reference, 'README.md'), { force: true });
}
const titles = stage(ROOT, PAGES);
writeFileSync(
  join(PAGES, 'sidebar.json'),
  JSON.stringify(sidebarOf(titles, (name) => addressOf(documentOf(name)))),
);

const { build } = await import('vitepress');
await build(SITE, { base: BASE });
const faults = faultsOf(join(SITE, 'dist'), BASE);
if (faults.length > 0) throw new Error(`${faults.length} faults in the site:\n${faults.join('\n')}`);
console.log(`${titles.size} pages in ${join(SITE, 'dist')}`);
