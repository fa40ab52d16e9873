import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-write.js';
import type { Block } from './blocks.js';
import type { TextTable } from './tables.js';

/** Columns from which a table is made as wide as the page. */
const WIDE_TABLE = 7;

/**
 * Renders the tables of a report as LaTeX, each a float with a caption and a label, for `\input` or to copy from.
 *
 * Needs the packages booktabs and graphicx.
 *
 * @param report what is not a table or a heading above one is left out
 * @returns text that ends with a line end; the same blocks give the same text
 */
export function renderLatex(report: readonly Block[]): string {
  const labels = new Map<string, number>();
  const tables = captioned(report, []).map(({ caption, ...table }) =>
    drawTable(table, caption, labelOf(caption, labels)),
  );
  return `% Tables for LaTeX. Preamble: \\usepackage{booktabs,graphicx}\n\n${tables.join('\n\n')}\n`;
}

/** The tables of a report, each with the headings that it stands under. */
function captioned(report: readonly Block[], above: readonly string[]): (TextTable & { caption: string })[] {
  const headings: string[] = [...above];
  return report.flatMap((block) => {
    switch (block.type) {
      case 'heading':
        headings.length = block.level - 1;
        headings[block.level - 1] = block.text;
        return [];
      case 'table':
        return [{ ...block.table, caption: captionOf(headings) }];
      case 'facts':
        return [{ head: ['', ''], rows: block.facts.map((fact) => [...fact]), caption: captionOf(headings) }];
      case 'details':
        return captioned(block.blocks, headings);
      default:
        return [];
    }
  });
}

/** The first heading is that of the whole report. */
function captionOf(headings: readonly string[]): string {
  return headings.slice(1).filter(Boolean).join(': ') || (headings[0] ?? 'Table');
}

/** Writes `<name>.tex` beside a report. @returns the file @throws WRITE_FAILED */
export async function writeLatex(directory: string, name: string, report: readonly Block[]): Promise<string> {
  const file = join(directory, `${name}.tex`);
  await writeFileAtomic(file, renderLatex(report));
  return file;
}

function drawTable({ head, rows }: TextTable, caption: string, label: string): string {
  const line = (cells: readonly string[]) => `${cells.map(escapeLatex).join(' & ')} \\\\`;
  const lines = [
    `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`,
    '\\toprule',
    line(head),
    '\\midrule',
    ...rows.map(line),
    '\\bottomrule',
    '\\end{tabular}',
  ];
  const body = head.length >= WIDE_TABLE ? ['\\resizebox{\\textwidth}{!}{%', ...lines, '}'] : lines;
  return [
    '\\begin{table}',
    '\\centering',
    '\\small',
    `\\caption{${escapeLatex(caption)}}`,
    `\\label{${label}}`,
    ...body,
    '\\end{table}',
  ].join('\n');
}

/** A label of letters and digits, each once. */
function labelOf(caption: string, taken: Map<string, number>): string {
  const plain =
    caption
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'table';
  const count = (taken.get(plain) ?? 0) + 1;
  taken.set(plain, count);
  return `tab:${plain}${count > 1 ? `-${count}` : ''}`;
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  '%': '\\%',
  '&': '\\&',
  '#': '\\#',
  $: '\\$',
  _: '\\_',
  '^': '\\textasciicircum{}',
  '~': '\\textasciitilde{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  '"': "''",
  '±': '$\\pm$',
  '×': '$\\times$',
  '−': '$-$',
  '–': '--',
  '→': '$\\rightarrow$',
  '≥': '$\\geq$',
  '≤': '$\\leq$',
  '²': '\\textsuperscript{2}',
  '…': '\\ldots{}',
  '’': "'",
  '“': '``',
  '”': "''",
};

/** Names of files, datasets and labels come from users and must not become commands. */
export function escapeLatex(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\{}%&#$_^~<>|"±×−–→≥≤²…’“”]/g, (character) => SPECIAL[character]!);
}
