import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Block } from './blocks.js';
import { SERIES } from './figures/theme.js';
import { drawConfusions } from './page/confusions.js';
import { escapeHtml } from './page/escape.js';
import { drawExamples } from './page/examples.js';
import { drawFigure } from './page/figure.js';
import { drawTable } from './page/table.js';

/**
 * Renders a report as one page that needs no other file and no network: its policy forbids both, and allows its own style
 * and script alone. Without the script all of it can be read; the script adds sorting, filters, hover and the theme.
 *
 * @param report the first block is its title.
 */
export function renderHtml(report: readonly Block[]): string {
  const [first, ...blocks] = report;
  const title = first?.type === 'heading' ? first.text : 'Layer freezing';
  const opening = blocks.findIndex(isSectionHeading);
  const sections = sectionsOf(opening < 0 ? [] : blocks.slice(opening));
  const before = opening < 0 ? blocks : blocks.slice(0, opening);
  const body = before.findIndex(({ type }) => type !== 'lead' && type !== 'paragraph');
  const introduction = body < 0 ? before : before.slice(0, body);
  const main = [
    `<header class="title">\n<h1>${escapeHtml(title)}</h1>\n${drawBlocks(introduction, title)}\n</header>`,
    drawBlocks(before.slice(introduction.length), title),
    ...sections.map(drawSection),
  ].join('\n');
  const [style, script] = [`${asset('page.css')}${PALETTE}`, asset('page.js')];
  // Figures bring styles of their own, so that their files stand alone.
  const styles = [style, ...[...main.matchAll(/<style>(.*?)<\/style>/gs)].map(([, text]) => text!)];
  const policy = [
    "default-src 'none'",
    `style-src ${[...new Set(styles.map(sourceHash))].join(' ')}`,
    `script-src ${sourceHash(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<a class="skip" href="#report">To the report</a>
<div class="frame">
${drawContents(sections)}
<main id="report">
${main}
</main>
</div>
<script>${script}</script>
</body>
</html>
`;
}

/** The colours of series by the theme of the page, which need not be the system's. */
const PALETTE = `\n:root {\n${SERIES.light
  .map((light, index) => `  --pf-${index + 1}: light-dark(${light}, ${SERIES.dark[index]});`)
  .join('\n')}\n}\n`;

/** A heading of the second level and all that follows it. */
interface Section {
  id: string;
  title: string;
  blocks: Block[];
}

type SectionHeading = Extract<Block, { type: 'heading' }>;

function isSectionHeading(block: Block): block is SectionHeading {
  return block.type === 'heading' && block.level === 2;
}

function sectionsOf(blocks: readonly Block[]): Section[] {
  const sections: Section[] = [];
  for (const block of blocks) {
    if (!isSectionHeading(block)) sections.at(-1)!.blocks.push(block);
    else sections.push({ id: idOf(block.text, sections), title: block.text, blocks: [] });
  }
  return sections;
}

function idOf(title: string, taken: readonly Section[]): string {
  const name = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-') || 'section';
  return taken.some(({ id }) => id === name) ? `${name}-${taken.length + 1}` : name;
}

function drawContents(sections: readonly Section[]): string {
  if (sections.length < 2) return '';
  const items = sections.map(({ id, title }) => `<li><a href="#${id}">${escapeHtml(title)}</a></li>`);
  return `<nav class="toc" aria-label="Contents"><details><summary>Contents</summary><ol>\n${items.join('\n')}\n</ol></details></nav>`;
}

function drawSection({ id, title, blocks }: Section): string {
  return `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeHtml(title)}</h2>\n${drawBlocks(blocks, title)}\n</section>`;
}

/** @param title of the section, which names tables that no heading of their own does. */
function drawBlocks(blocks: readonly Block[], title: string): string {
  let name = title;
  return blocks
    .map((block) => {
      if (block.type === 'heading') name = `${title}: ${block.text}`;
      return drawBlock(block, name);
    })
    .join('\n');
}

function drawBlock(block: Block, name: string): string {
  switch (block.type) {
    case 'heading':
      return `<h${block.level}>${escapeHtml(block.text)}</h${block.level}>`;
    case 'paragraph':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'lead':
      return `<p class="lead">${escapeHtml(block.text)}</p>`;
    case 'table':
      return drawTable(block.table, name);
    case 'facts':
      return `<dl>\n${block.facts.map(([fact, value]) => `<dt>${escapeHtml(fact)}</dt><dd>${escapeHtml(value)}</dd>`).join('\n')}\n</dl>`;
    case 'list':
      return `<ul>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;
    case 'code':
      return `<div class="code"><pre tabindex="0"><code>${escapeHtml(block.text)}</code></pre></div>`;
    case 'figure':
      return drawFigure(block.figure);
    case 'details':
      return `<details><summary>${escapeHtml(block.summary)}</summary>\n${drawBlocks(block.blocks, block.summary)}\n</details>`;
    case 'confusions':
      return drawConfusions(block.studies);
    case 'examples':
      return drawExamples(block.examples);
  }
}

/** The page's style and script are files of their own, so that they are read and checked as what they are. */
function asset(name: string): string {
  return readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8');
}

function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}
