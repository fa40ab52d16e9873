import { ERROR_KINDS } from '../../evaluation/entity-errors.js';
import type { EntitySpan } from '../../evaluation/entity-spans.js';
import { sortedByCodePoint } from '../../evaluation/scores.js';
import type {
  EntityError,
  ErrorExample,
  ErrorExamples,
  WrongAnswer,
} from '../../experiment/error-examples.js';
import { clipWords, shortSource } from '../sentences.js';
import { escapeHtml } from './escape.js';

const KINDS = ERROR_KINDS.filter((kind) => kind !== 'correct');

/** Examples that are open from the start, and on paper. */
const OPEN = 10;

/**
 * Sentences with their gold entities and every wrong answer. What the script filters by stands in attributes: `data-a`
 * has each scenario's answer, 0 where it is right; `data-e` of an answer its errors as kind, gold and predicted type, all
 * by their number in the lists of the controls.
 */
export function drawExamples({ scenarios, examples }: ErrorExamples): string {
  const types = sortedByCodePoint(
    [
      ...new Set(
        examples.flatMap(({ answers }) =>
          answers.flatMap(({ errors }) => errors.flatMap(({ gold, predicted }) => [gold, predicted])),
        ),
      ),
    ].flatMap((type) => type ?? []),
  );
  const items = examples.map((example) => drawExample(example, scenarios, types));
  const list = (some: readonly string[]) => `<ol class="examples">\n${some.join('\n')}\n</ol>`;
  const more = items.slice(OPEN);
  return (
    `<div id="examples">\n${drawControls(scenarios, types)}\n${list(items.slice(0, OPEN))}` +
    (more.length === 0
      ? ''
      : `\n<details class="more"><summary>${more.length} more</summary>\n${list(more)}\n</details>`) +
    '\n</div>'
  );
}

/** Hidden until a script is there to answer them. */
function drawControls(scenarios: readonly string[], types: readonly string[]): string {
  const select = (name: string, title: string, any: string, options: readonly string[]) =>
    `<span><label for="by-${name}">${title}</label><select id="by-${name}" name="${name}"><option value="">${any}</option>${options
      .map((option, index) => `<option value="${index}">${escapeHtml(option)}</option>`)
      .join('')}</select></span>`;
  return (
    '<form class="controls" hidden>' +
    select('right', 'right in', 'any scenario', scenarios) +
    select('wrong', 'wrong in', 'any scenario', scenarios) +
    select('kind', 'kind of error', 'any kind', KINDS) +
    select('type', 'type', 'any type', types) +
    '<span><label for="by-words">words</label>' +
    '<input id="by-words" name="words" type="search" autocomplete="off" spellcheck="false"></span>' +
    '<button class="plain" type="reset">Show all</button>' +
    '<p class="count" role="status"></p></form>'
  );
}

function drawExample(example: ErrorExample, scenarios: readonly string[], types: readonly string[]): string {
  const { source, gold, answers, answerOf } = example;
  const { words, place } = clipWords(example);
  const saying = (answer: number | null) =>
    shortNames(scenarios.filter((_, scenario) => answerOf[scenario] === answer));
  const right = saying(null);
  const rows = answers.map((answer, index) => {
    const codes = answer.errors.map((error) => codeOf(error, types)).join(' ');
    return (
      `<div class="answer" data-e="${codes}"><p class="who">${escapeHtml(saying(index))}</p><div>` +
      `<p class="said" dir="auto">${drawWords(words, marksOf(place(gold), place(answer.predicted)))}</p>` +
      `<p class="wrong">${escapeHtml(errorsText(answer.errors))}</p></div></div>`
    );
  });
  return (
    `<li data-a="${answerOf.map((answer) => (answer === null ? 0 : answer + 1)).join(' ')}">` +
    `<div class="answer"><p class="who"><b>gold</b>${right && `, and ${escapeHtml(right)}`}</p>` +
    `<p class="said" dir="auto">${drawWords(
      words,
      place(gold).map((span) => ({ ...span, mark: '' })),
    )}</p></div>` +
    `${rows.join('')}<p class="src">${escapeHtml(shortSource(source))}</p></li>`
  );
}

/** Scenarios in few words: `bottom-up: 0, 3; full`. */
function shortNames(scenarios: readonly string[]): string {
  const families = new Map<string, string[]>();
  for (const scenario of scenarios) {
    const [, family = scenario, k] = /^(bottom-up|top-down):(\d+)$/.exec(scenario) ?? [];
    families.set(family, [...(families.get(family) ?? []), ...(k === undefined ? [] : [k])]);
  }
  return [...families]
    .map(([family, ks]) => (ks.length > 0 ? `${family}: ${ks.join(', ')}` : family))
    .join('; ');
}

function codeOf({ kind, gold, predicted }: EntityError, types: readonly string[]): string {
  const numberOf = (type: string | null) => (type === null ? '' : types.indexOf(type));
  return `${KINDS.indexOf(kind)}.${numberOf(gold)}.${numberOf(predicted)}`;
}

/** Errors in words, equal ones together: `missed: LOC (2); type: PER → ORG`. */
function errorsText(errors: readonly EntityError[]): string {
  const counts = new Map<string, number>();
  for (const { kind, gold, predicted } of errors) {
    const types =
      gold === null || predicted === null || gold === predicted
        ? (gold ?? predicted)
        : `${gold} → ${predicted}`;
    const text = `${kind}: ${types}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => (count > 1 ? `${text} (${count})` : text)).join('; ');
}

interface Marked extends EntitySpan {
  mark: '' | 'bad' | 'missed';
}

/** What an answer marks, right or wrong, and the gold entities that nothing of it touches; none overlap. */
function marksOf(gold: readonly EntitySpan[], predicted: WrongAnswer['predicted']): Marked[] {
  const isGold = ({ type, start, end }: EntitySpan) =>
    gold.some((span) => span.type === type && span.start === start && span.end === end);
  const overlaps = (a: EntitySpan, b: EntitySpan) => a.start < b.end && b.start < a.end;
  const said = predicted.map((span): Marked => ({ ...span, mark: isGold(span) ? '' : 'bad' }));
  const missed = gold
    .filter((span) => !predicted.some((other) => overlaps(span, other)))
    .map((span): Marked => ({ ...span, mark: 'missed' }));
  return [...said, ...missed].sort((a, b) => a.start - b.start);
}

function drawWords(words: readonly string[], marks: readonly Marked[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { type, start, end, mark } of marks) {
    if (start > at) parts.push(escapeHtml(words.slice(at, start).join(' ')));
    const text = `${escapeHtml(words.slice(start, end).join(' '))}<small>${escapeHtml(type)}</small>`;
    parts.push(`<mark${mark && ` class="${mark}"`}>${text}</mark>`);
    at = end;
  }
  if (at < words.length) parts.push(escapeHtml(words.slice(at).join(' ')));
  return parts.join(' ');
}
