import type { TextTable } from '../tables.js';
import { escapeHtml } from './escape.js';

/** Columns from which a table is set smaller on paper. */
const WIDE = 9;
/** Characters from which a column is prose. */
const PROSE = 40;
/** Cells that are figures: a number first, or nothing where a figure would stand. */
const FIGURE = /^[−+-]?\d|^–$|^head only$/;

/**
 * A table in a region of its own, which scrolls where the page is too narrow. Columns of figures are set to the right.
 *
 * @param title names the table for those who do not see it.
 */
export function drawTable({ head, rows }: TextTable, title: string): string {
  const isFigure = head.map((_, column) => column > 0 && rows.every((row) => FIGURE.test(row[column]!)));
  const kinds = head.map((_, column) => {
    if (isFigure[column]) return ' class="n"';
    return column > 0 && rows.some((row) => row[column]!.length > PROSE) ? ' class="prose"' : '';
  });
  const headLine = head
    .map((cell, column) => {
      const kind = isFigure[column] && !cell.includes(' ') ? ' class="n word"' : kinds[column];
      return `<th scope="col"${kind}>${escapeHtml(cell)}</th>`;
    })
    .join('');
  const lines = rows.map(([name = '', ...cells]) => {
    const figures = cells.map((cell, index) => {
      const content = isFigure[index + 1] ? drawFigure(cell) : escapeHtml(cell);
      return `<td${kinds[index + 1]}>${content}</td>`;
    });
    return `<tr><th scope="row">${escapeHtml(name)}</th>${figures.join('')}</tr>`;
  });
  const classes = ['scroll', ...(head.length >= WIDE ? ['wide'] : [])];
  return (
    `<div class="${classes.join(' ')}" role="region" aria-label="${escapeHtml(title)}, table" tabindex="0"><table>` +
    `<caption class="hidden">${escapeHtml(title)}</caption><thead><tr>${headLine}</tr></thead><tbody>\n` +
    `${lines.join('\n')}\n</tbody></table></div>`
  );
}

/** A deviation steps back behind its mean, and a note stands below. */
function drawFigure(cell: string): string {
  const [, mean, deviation, note] = /^(\S+)( ± [^(]+?)?( \([^)]*\))?$/.exec(cell) ?? [];
  if (mean === undefined) return escapeHtml(cell);
  const behind = deviation === undefined ? '' : ` <small>${escapeHtml(deviation.trim())}</small>`;
  const below = note === undefined ? '' : ` <small class="note">${escapeHtml(note.trim())}</small>`;
  return `${escapeHtml(mean)}${behind}${below}`;
}
