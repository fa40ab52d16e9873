import type { ErrorExamples } from '../experiment/error-examples.js';
import type { Block } from './blocks.js';
import { confusionTable } from './error-tables.js';
import { bracketed, clipWords, shortSource } from './sentences.js';
import type { TextTable } from './tables.js';

/** Examples that a text lists; the page has more, and filters. */
const LISTED_EXAMPLES = 10;

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
    case 'lead':
      return `> ${escapeCell(block.text)}`;
    case 'table':
      return drawTable(block.table);
    case 'facts':
      return drawTable({ head: ['', ''], rows: block.facts.map((row) => [...row]) });
    case 'list':
      return block.items.map((item) => `- ${item}`).join('\n');
    case 'code':
      return `\`\`\`sh\n${block.text}\n\`\`\``;
    case 'figure': {
      const { name, title, caption } = block.figure;
      return `![${escapeCell(title)}](figures/${name}.svg)\n\n${caption}`;
    }
    case 'details':
      return `<details><summary>${escapeCell(block.summary)}</summary>\n\n${block.blocks.map(drawBlock).join('\n\n')}\n\n</details>`;
    case 'confusions':
      return drawTable(confusionTable(block.studies));
    case 'examples':
      return drawTable(exampleTable(block.examples));
  }
}

/** The first examples. */
function exampleTable({ scenarios, examples }: ErrorExamples): TextTable {
  return {
    head: ['source', 'gold', 'answers'],
    rows: examples.slice(0, LISTED_EXAMPLES).map((example) => {
      const { source, gold, answers, answerOf } = example;
      const { words, place } = clipWords(example);
      const said = answers.map(({ predicted }, index) => {
        const by = scenarios.filter((_, scenario) => answerOf[scenario] === index);
        return `${by.join(', ')}: ${bracketed(words, place(predicted))}`;
      });
      return [shortSource(source), bracketed(words, place(gold)), said.join(' / ')];
    }),
  };
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
