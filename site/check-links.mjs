// Finds links of built pages that lead nowhere, and whatever a browser would fetch from another host.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const RESOURCE = /<(?:script|img|link|iframe|source|video|audio)\b[^>]*?\b(?:src|href)="([^"]*)"/g;

function textOf(attribute) {
  return decodeURIComponent(attribute.replaceAll('&amp;', '&'));
}

/**
 * @param directory of the built site
 * @param base path that the site is served under
 * @returns a sentence for each fault
 */
export function faultsOf(directory, base) {
  const files = readdirSync(directory, { recursive: true }).map((name) => name.split('\\').join('/'));
  const pages = new Map(
    files
      .filter((name) => name.endsWith('.html'))
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  );
  const anchors = new Map(
    [...pages].map(([name, html]) => [
      name,
      new Set([...html.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id)),
    ]),
  );
  const faults = [];
  for (const [name, html] of pages) {
    for (const [, resource] of html.matchAll(RESOURCE)) {
      if (/^(https?:)?\/\//.test(resource)) faults.push(`${name} fetches ${resource}`);
    }
    for (const [, href] of html.matchAll(/<a\b[^>]*?\bhref="([^"]*)"/g)) {
      if (/^[a-z]+:/.test(href)) continue;
      const [path, anchor] = textOf(href).split('#');
      const inSite = path.startsWith('/') ? path.slice(base.length) : posix.join(posix.dirname(name), path);
      let target = path === '' ? name : posix.normalize(inSite);
      if (target === '' || target.endsWith('/') || target === '.') target = posix.join(target, 'index.html');
      if (!existsSync(join(directory, target))) faults.push(`${name} links to ${href}, which is not there`);
      else if (anchor && anchors.get(target)?.has(anchor) === false) {
        faults.push(`${name} links to ${href}, and ${target} has no such heading`);
      }
    }
  }
  for (const name of files.filter((file) => /\.css$/.test(file))) {
    for (const [, url] of readFileSync(join(directory, name), 'utf8').matchAll(
      /url\(["']?((?:https?:)?\/\/[^)"']*)/g,
    )) {
      faults.push(`${name} fetches ${url}`);
    }
  }
  return faults;
}
