import type { ErrorExamples } from '../experiment/error-examples.js';
import type { ErrorStudy } from '../experiment/error-studies.js';
import type { Figure } from './figures/figure.js';
import type { TextTable } from './tables.js';

/** A part of a report, before it is written as Markdown or HTML. */
export type Block =
  | { type: 'heading'; level: 1 | 2 | 3; text: string }
  | { type: 'paragraph'; text: string }
  /** What was found, before anything else. */
  | { type: 'lead'; text: string }
  | { type: 'table'; table: TextTable }
  /** Names and values. */
  | { type: 'facts'; facts: readonly (readonly [name: string, value: string])[] }
  | { type: 'list'; items: readonly string[] }
  /** Lines for a shell. */
  | { type: 'code'; text: string }
  | { type: 'figure'; figure: Figure }
  /** What is read when it is asked for. */
  | { type: 'details'; summary: string; blocks: readonly Block[] }
  /** Which types stand in the place of which. */
  | { type: 'confusions'; studies: readonly ErrorStudy[] }
  | { type: 'examples'; examples: ErrorExamples };

export const heading = (level: 1 | 2 | 3, text: string): Block => ({ type: 'heading', level, text });
export const paragraph = (text: string): Block => ({ type: 'paragraph', text });
export const lead = (text: string): Block => ({ type: 'lead', text });
export const table = (content: TextTable): Block => ({ type: 'table', table: content });
export const facts = (rows: readonly (readonly [name: string, value: string])[]): Block => ({
  type: 'facts',
  facts: rows,
});
export const list = (items: readonly string[]): Block => ({ type: 'list', items });
export const code = (text: string): Block => ({ type: 'code', text });
export const figure = (content: Figure): Block => ({ type: 'figure', figure: content });
export const details = (summary: string, ...blocks: readonly Block[]): Block => ({
  type: 'details',
  summary,
  blocks,
});

/** The figures of a report, in its order. */
export function figuresOf(report: readonly Block[]): Figure[] {
  return report.flatMap((block) => {
    if (block.type === 'figure') return [block.figure];
    return block.type === 'details' ? figuresOf(block.blocks) : [];
  });
}

/** The same report with those of the figures that it lacks behind its title. */
export function withFigures(report: readonly Block[], figures: readonly Figure[]): Block[] {
  const placed = new Set(figuresOf(report));
  const [title, ...rest] = report;
  const missing = figures.filter((candidate) => !placed.has(candidate)).map(figure);
  return title === undefined ? missing : [title, ...missing, ...rest];
}
