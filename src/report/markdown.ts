import type { Block } from './blocks.js';
import type { TextTable } from './tables.js';

/**
 * Renders a report as the text of `report.md`.
 *
 * @returns Markdown (GitHub's tables) that ends with a line end; the same blocks give the same text.
 */
export function renderMarkdown(report: readonly Block[]): string {
  return `${report.map(drawBlock).join('\n\n')}\n`;
}

function drawBlock(block: Block): string {
  switch (block.type) {
    case 'heading':
      return `${'#'.repeat(block.level)} ${escapeCell(block.text)}`;
    case 'paragraph':
      return block.text;
    case 'table':
      return drawTable(block.table);
    case 'list':
      return block.items.map((item) => `- ${item}`).join('\n');
  }
}

/** A table in GitHub's form; cells are escaped. */
export function drawTable({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  const rule = `| ${head.map((_, index) => (index === 0 || head.length === 2 ? '---' : '---:')).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** Names of files, datasets and labels come from users and must not break a table. */
function escapeCell(text: string): string {
  return text.replace(/[\\|<>*_`]/g, (character) => `\\${character}`).replace(/\s+/g, ' ');
}
