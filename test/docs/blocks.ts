import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface CodeBlock {
  /** Path of the document from the root of the repository. */
  document: string;
  line: number;
  code: string;
  /** Why it is not run, as the comment above it says; null where it is. */
  notRun: string | null;
}

const OF_THE_ROOT = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];

/** Every document of the repository that people read. */
export function documents(): string[] {
  const inDocs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return [...OF_THE_ROOT, ...inDocs.sort().map((name) => join('docs', name))];
}

/** Documents whose shell blocks are not run, and why. */
const NOT_RUN: Record<string, string> = {
  'docs/commands.md': 'the examples of every help, held against the command line',
  'docs/installation.md': 'it installs packages',
  'docs/distributed.md': 'several processes, cards or machines',
  'docs/scale.md': 'several processes, cards or machines',
};

/** Blocks of one language in a document. */
export function codeBlocks(document: string, language: string): CodeBlock[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(/(?:^<!-- not run: ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$/gms)]
    .filter((match) => match[2] === language)
    .map((match) => ({
      document,
      line: text.slice(0, text.indexOf('```', match.index)).split('\n').length + 1,
      code: match[3]!,
      notRun: match[1] ?? NOT_RUN[document] ?? null,
    }));
}

/** The blocks of one language in all documents. */
export function allBlocks(language: string): CodeBlock[] {
  return documents().flatMap((document) => codeBlocks(document, language));
}

/** What stands between backticks outside of blocks, in one line each. */
export function inlineCode(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replace(/^```.*?^```$/gms, '');
  return [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!.replace(/\s+/g, ' '));
}

/** The file that a block is written to, to be compiled or run. */
export function fileNameOf({ document, line }: CodeBlock): string {
  return `${document.replace(/\W/g, '-')}-line-${line}.ts`;
}
