import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-write.js';
import { renderFigures } from './figures.js';
import { renderHtml } from './html.js';
import { renderMarkdown } from './markdown.js';
import type { GridSummary } from './summary.js';

/** Files of a written report. */
export interface ReportFiles {
  markdown: string;
  html: string;
  figures: string[];
}

/**
 * Writes `report.md`, `report.html` and `figures/*.svg` into a directory.
 *
 * @throws WRITE_FAILED
 */
export async function writeReport(directory: string, summary: GridSummary): Promise<ReportFiles> {
  const markdown = join(directory, 'report.md');
  const html = join(directory, 'report.html');
  await writeFileAtomic(markdown, renderMarkdown(summary));
  const drawn = await renderFigures(summary);
  const figures: string[] = [];
  for (const { name, svg } of drawn) {
    const file = join(directory, 'figures', `${name}.svg`);
    await writeFileAtomic(file, svg);
    figures.push(file);
  }
  await writeFileAtomic(html, renderHtml(summary, drawn));
  return { markdown, html, figures };
}
