import type { TextTable } from './tables.js';

/** A part of a report, before it is written as Markdown or HTML. */
export type Block =
  | { type: 'heading'; level: 1 | 2 | 3; text: string }
  | { type: 'paragraph'; text: string }
  | { type: 'table'; table: TextTable }
  | { type: 'list'; items: readonly string[] };

export const heading = (level: 1 | 2 | 3, text: string): Block => ({ type: 'heading', level, text });
export const paragraph = (text: string): Block => ({ type: 'paragraph', text });
export const table = (content: TextTable): Block => ({ type: 'table', table: content });
export const list = (items: readonly string[]): Block => ({ type: 'list', items });
