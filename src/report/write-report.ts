import { join } from 'node:path';
import type { SearchResult } from '../experiment/search/search.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { type Block, figuresOf, withFigures } from './blocks.js';
import { reportBlocks } from './document.js';
import type { Figure } from './figures/figure.js';
import { renderFigures } from './figures/grid-figures.js';
import { renderHtml } from './html.js';
import { renderMarkdown } from './markdown.js';
import { searchReport } from './search-report.js';
import type { GridSummary } from './summary.js';

/** Files of a written report. */
export interface ReportFiles {
  markdown: string;
  html: string;
  figures: string[];
}

/**
 * Writes `report.md`, `report.html` and `figures/*.svg` of a grid into a directory.
 *
 * @throws WRITE_FAILED
 */
export async function writeReport(directory: string, summary: GridSummary): Promise<ReportFiles> {
  const figures = renderFigures(summary);
  return writePage(directory, 'report', { blocks: reportBlocks(summary, figures), figures });
}

/** The same of a search. @throws WRITE_FAILED */
export async function writeSearchReport(directory: string, result: SearchResult): Promise<ReportFiles> {
  return writePage(directory, 'report', searchReport(result));
}

/**
 * Writes `<name>.md`, `<name>.html` and `figures/*.svg`.
 *
 * @param page its figures stand behind the title where the blocks do not say where.
 * @throws WRITE_FAILED
 */
export async function writePage(
  directory: string,
  name: string,
  page: { blocks: readonly Block[]; figures: readonly Figure[] },
): Promise<ReportFiles> {
  const report = withFigures(page.blocks, page.figures);
  const markdown = join(directory, `${name}.md`);
  const html = join(directory, `${name}.html`);
  await writeFileAtomic(markdown, renderMarkdown(report));
  const files: string[] = [];
  for (const { name: figure, svg } of figuresOf(report)) {
    const file = join(directory, 'figures', `${figure}.svg`);
    await writeFileAtomic(file, svg);
    files.push(file);
  }
  await writeFileAtomic(html, renderHtml(report));
  return { markdown, html, figures: files };
}
