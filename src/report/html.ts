import type { Block } from './blocks.js';
import type { Figure } from './figures/figure.js';
import type { TextTable } from './tables.js';

/**
 * Renders a report as one page that needs no other file: the figures first, then what `report.md` holds.
 *
 * @param report the first block is its title.
 */
export function renderHtml(report: readonly Block[], figures: readonly Figure[]): string {
  const [title, ...blocks] = report;
  const name = title?.type === 'heading' ? title.text : 'Layer freezing';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(name)}</h1>
${[...figures.map(drawFigure), ...blocks.map(drawBlock)].join('\n')}
</body>
</html>
`;
}

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #e4e4e4; text-align: right; vertical-align: top; }
th:first-child, td:first-child, .facts td { text-align: left; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: 13.5px; }
`;

function drawFigure({ title, caption, svg }: Figure): string {
  return `<figure role="group" aria-label="${escapeHtml(title)}">\n<h2>${escapeHtml(title)}</h2>\n${svg}\n<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`;
}

function drawBlock(block: Block): string {
  switch (block.type) {
    case 'heading':
      return `<h${block.level}>${escapeHtml(block.text)}</h${block.level}>`;
    case 'paragraph':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'table':
      return drawTable(block.table);
    case 'list':
      return `<ul>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;
  }
}

function drawTable({ head, rows }: TextTable): string {
  const isFacts = head.every((cell) => cell === '');
  const headLine = isFacts
    ? ''
    : `<thead><tr>${head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr></thead>`;
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('\n');
  return `<div class="scroll"><table${isFacts ? ' class="facts"' : ''}>${headLine}<tbody>\n${body}\n</tbody></table></div>`;
}

/** Names of files, datasets and labels come from users and must not become markup. */
function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
