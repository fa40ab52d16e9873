import { formatPercent } from '../report/format.js';
import { drawTable } from '../report/terminal.js';
import type { SharedSentences, TokenizationReport } from '../text/inspect.js';

/** What a tokenizer makes of the splits of a dataset, as tables for a terminal. */
export function tokenizationText(
  reports: ReadonlyMap<string, TokenizationReport>,
  shared: readonly SharedSentences[],
): string {
  const overlaps = shared.map(
    ({ first, second, sentences }) => `${sentences} sentences of ${second} stand in ${first}, too.`,
  );
  return [
    factTable(reports),
    countTable('entities', reports, 'entities'),
    countTable('words by tag', reports, 'labels'),
    ...overlaps,
  ].join('\n');
}

const FACTS: readonly [string, (report: TokenizationReport) => string][] = [
  ['sentences', (report) => String(report.sentences)],
  ['words', (report) => String(report.words)],
  ['sub-tokens', (report) => String(report.subTokens)],
  ['sub-tokens a word', (report) => report.subTokensPerWord.toFixed(3)],
  ['unknown sub-tokens', (report) => withShare(report.unknownTokens, report.unknownTokenRate)],
  ['words with unknown', (report) => withShare(report.wordsWithUnknown, report.unknownWordRate)],
  ['words without a token', (report) => String(report.wordsWithoutTokens)],
  ['longest example allowed', (report) => `${report.maxLength} tokens`],
  ['sentences cut', (report) => String(report.truncatedSentences)],
  ['words cut off', (report) => String(report.truncatedWords)],
  ['words cut in two', (report) => String(report.partialWords)],
  ['tokens a sentence, mean', (report) => report.lengths.mean.toFixed(2)],
  ['median', (report) => String(report.lengths.median)],
  ['99th percentile', (report) => report.lengths.p99.toFixed(0)],
  ['longest', (report) => String(report.lengths.max)],
];

function factTable(reports: ReadonlyMap<string, TokenizationReport>): string {
  const columns = [...reports.values()];
  const rows = FACTS.map(([name, cell]) => [name, ...columns.map(cell)]);
  return drawTable({ head: ['', ...reports.keys()], rows });
}

function countTable(
  title: string,
  reports: ReadonlyMap<string, TokenizationReport>,
  field: 'labels' | 'entities',
): string {
  const columns = [...reports.values()].map((report) => report[field]);
  const names = [...new Set(columns.flatMap((counts) => Object.keys(counts)))];
  const rows = names.map((name) => [name, ...columns.map((counts) => String(counts[name] ?? 0))]);
  return drawTable({ head: [title, ...reports.keys()], rows });
}

function withShare(count: number, share: number): string {
  return `${count} (${formatPercent(share)})`;
}
