import type { DataWarning } from '../data/check-sentences.js';
import { formatPercent } from '../report/format.js';
import { drawTable } from '../report/terminal.js';
import type { TokenizationReport } from '../text/inspect.js';

/** What one tokenizer makes of each split. */
export interface TokenizerStudy {
  name: string;
  reports: ReadonlyMap<string, TokenizationReport>;
}

/**
 * What tokenizers make of the splits of a dataset, as tables for a terminal: one tokenizer with its splits side by side,
 * or for each split several tokenizers side by side.
 */
export function tokenizationText(studies: readonly TokenizerStudy[]): string {
  const { reports } = studies[0]!;
  return [
    ...(studies.length === 1 ? [factTable('', reports)] : splitTables(studies)),
    typeTable(studies),
    countTable('entities', reports, 'entities'),
    countTable('words by tag', reports, 'labels'),
  ].join('\n');
}

/** What spoils training in what tokenizers make of the splits. */
export function tokenizationWarnings(studies: readonly TokenizerStudy[]): DataWarning[] {
  return studies.flatMap(({ name, reports }) =>
    [...reports].flatMap(([split, report]) => {
      const { words, maxLength, wordsWithoutTokens, truncatedEntities, unknownWordRate, subTokensPerWord } =
        report;
      const warning = (kind: string, count: number, message: string): DataWarning[] =>
        count === 0 ? [] : [{ kind, split, count, message: `${name}: ${message}`, places: [] }];
      const isUnknown = unknownWordRate > MOST_UNKNOWN;
      const isCut = subTokensPerWord > MOST_SUB_TOKENS;
      return [
        ...warning(
          'lost-words',
          wordsWithoutTokens,
          `nothing is left of ${wordsWithoutTokens} words of ${split}; their tags teach nothing`,
        ),
        ...warning(
          'truncated-entities',
          truncatedEntities,
          `${truncatedEntities} entities of ${split} reach beyond ${maxLength} tokens, and count as missed; give a larger ` +
            '--max-length, or shorter sentences',
        ),
        ...warning(
          'tokenization-mismatch',
          isUnknown || isCut ? words : 0,
          `the tokenizer does not seem to be made for ${split}: ${formatPercent(unknownWordRate)} of its words have an ` +
            `unknown piece, and a word has ${subTokensPerWord.toFixed(2)} pieces`,
        ),
      ];
    }),
  );
}

/** Share of words with unknown pieces, and pieces a word, beyond which a tokenizer is likely one of other text. */
const MOST_UNKNOWN = 0.05;
const MOST_SUB_TOKENS = 3;

const FACTS: readonly [string, (report: TokenizationReport) => string][] = [
  ['sentences', (report) => String(report.sentences)],
  ['sentences repeated', (report) => String(report.repeatedSentences)],
  ['words', (report) => String(report.words)],
  ['sub-tokens', (report) => String(report.subTokens)],
  ['sub-tokens a word', (report) => report.subTokensPerWord.toFixed(3)],
  ['unknown sub-tokens', (report) => withShare(report.unknownTokens, report.unknownTokenRate)],
  ['words with unknown', (report) => withShare(report.wordsWithUnknown, report.unknownWordRate)],
  ['words without a token', (report) => String(report.wordsWithoutTokens)],
  ['longest example allowed', (report) => `${report.maxLength} tokens`],
  ['sentences cut', (report) => String(report.truncatedSentences)],
  ['words cut off', (report) => String(report.truncatedWords)],
  ['entities cut', (report) => String(report.truncatedEntities)],
  ['words cut in two', (report) => String(report.partialWords)],
  ['tokens a sentence, mean', (report) => report.lengths.mean.toFixed(2)],
  ['median', (report) => String(report.lengths.median)],
  ['99th percentile', (report) => report.lengths.p99.toFixed(0)],
  ['longest', (report) => String(report.lengths.max)],
];

function splitTables(studies: readonly TokenizerStudy[]): string[] {
  return [...studies[0]!.reports.keys()].map((split) =>
    factTable(split, new Map(studies.map(({ name, reports }) => [name, reports.get(split)!]))),
  );
}

/** By entity type, over the whole of the data where that is shown, else over the first split. */
function typeTable(studies: readonly TokenizerStudy[]): string {
  const splits = [...studies[0]!.reports.keys()];
  const split = splits.includes('all') ? 'all' : splits[0]!;
  const reports = studies.map((study) => study.reports.get(split)!);
  const { entities, types } = reports[0]!;
  const prefix = (index: number) => (studies.length === 1 ? '' : `${studies[index]!.name}\n`);
  const head = studies.flatMap((_, index) => [
    `${prefix(index)}sub-tokens a word`,
    `${prefix(index)}words with unknown`,
    `${prefix(index)}words cut off`,
  ]);
  const rows = Object.keys(types).map((type) => [
    type,
    type === 'O' ? '' : String(entities[type] ?? 0),
    String(types[type]!.words),
    ...reports.flatMap(({ types }) => {
      const { subTokensPerWord, wordsWithUnknown, unknownWordRate, truncatedWords } = types[type]!;
      return [
        subTokensPerWord.toFixed(3),
        withShare(wordsWithUnknown, unknownWordRate),
        String(truncatedWords),
      ];
    }),
  ]);
  return drawTable({ head: [`by type (${split})`, 'entities', 'words', ...head], rows });
}

function factTable(title: string, reports: ReadonlyMap<string, TokenizationReport>): string {
  const columns = [...reports.values()];
  const rows = FACTS.map(([name, cell]) => [name, ...columns.map(cell)]);
  return drawTable({ head: [title, ...reports.keys()], rows });
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
