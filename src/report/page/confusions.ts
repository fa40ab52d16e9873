import { type ErrorAnalysis, type ErrorGroup, TYPE } from '../../evaluation/error-analysis.js';
import { sortedByCodePoint } from '../../evaluation/scores.js';
import type { ErrorStudy } from '../../experiment/error-studies.js';
import { count } from '../error-tables.js';
import { escapeHtml } from './escape.js';

/** Types up to which all matrices are open from the start; of larger ones the first is, with its names set upright. */
const SMALL = 8;
/** Shares of the gold entities of a type from which a confusion is set off, each more than the one before. */
const LEVELS = [0.002, 0.02, 0.1];

/** A matrix a scenario: gold types down, predicted ones across, and what was missed or is spurious. */
export function drawConfusions(studies: readonly ErrorStudy[]): string {
  const matrices = studies.map(({ strategy, analysis }, index) => {
    const isOpen = index === 0 || typesOf(analysis).length <= SMALL;
    return `<details class="matrix"${isOpen ? ' open' : ''}><summary>${escapeHtml(strategy)}</summary>${matrix(strategy, analysis)}</details>`;
  });
  return `<div class="matrices">\n${matrices.join('\n')}\n</div>`;
}

function typesOf({ groupings }: ErrorAnalysis): readonly ErrorGroup[] {
  return groupings.find(({ title }) => title === TYPE)?.groups ?? [];
}

function matrix(strategy: string, analysis: ErrorAnalysis): string {
  const { confusions } = analysis;
  const groups = typesOf(analysis);
  const types = sortedByCodePoint(groups.map(({ name }) => name));
  const golds = new Map(groups.map(({ name, gold }) => [name, gold]));
  const cells = new Map(confusions.map(({ gold, predicted, count }) => [cellName(gold, predicted), count]));
  // Right in type with other words is no confusion of types.
  for (const { name, correct, boundary } of groups) cells.set(cellName(name, name), correct + boundary);
  const cell = (gold: string | null, predicted: string | null) => {
    const value = cells.get(cellName(gold, predicted)) ?? 0;
    if (gold === null && predicted === null) return '<td></td>';
    const kind = gold === predicted ? 'd' : levelOf(value, golds.get(gold ?? predicted!) ?? 0);
    return value === 0 ? '<td></td>' : `<td${kind && ` class="${kind}"`}>${count(value)}</td>`;
  };
  const across = [...types, null];
  const head = across.map((type) => `<th scope="col">${type === null ? 'missed' : escapeHtml(type)}</th>`);
  const rows = [...types, null].map((gold) => {
    const name = gold === null ? 'spurious' : escapeHtml(gold);
    return `<tr><th scope="row">${name}</th>${across.map((predicted) => cell(gold, predicted)).join('')}</tr>`;
  });
  const title = escapeHtml(`Types that ${strategy} confuses`);
  return (
    `<div class="scroll" role="region" aria-label="${title}, table" tabindex="0"><table class="fixed${types.length > SMALL ? ' dense' : ''}"><caption class="hidden">${title}: gold ` +
    `types down, predicted types across</caption><thead><tr><th scope="col">gold \\ predicted</th>${head.join('')}</tr></thead>` +
    `<tbody>\n${rows.join('\n')}\n</tbody></table></div>`
  );
}

function cellName(gold: string | null, predicted: string | null): string {
  return JSON.stringify([gold, predicted]);
}

function levelOf(value: number, gold: number): string {
  const level = LEVELS.filter((least) => value > least * gold).length;
  return level === 0 ? '' : `h${level}`;
}
