import type { Random } from '../../io/random.js';
import type { Sentence } from '../sentence.js';

/** What a name rule may draw from: the random stream, and how often names must be new ones. */
export interface Draw {
  random: Random;
  /** Probability, 0 to 1, that a name is made up instead of taken from the known names. */
  novelty: number;
  /** Made-up names of the two sides never meet, so that held-out text holds unseen names. */
  heldOut: boolean;
}

/**
 * One rule of a grammar.
 *
 * - A string lists single words by falling frequency.
 * - An array lists templates, each with an optional weight in front (`'3* the {noun} of {loc}'`).
 * - A function makes the words itself, such as names or numbers.
 *
 * A template is a row of items: `word`; `{rule}`; `{rule?30}`, which stands in 30% of the cases (50% without
 * a number); `[TYPE ... ]`, an entity. `+ENDING` behind a word or a rule inflects its last word. Of nested
 * entities only the outer one is tagged.
 */
export type Rule = string | readonly string[] | ((draw: Draw) => string | readonly string[]);

export type Rules = Readonly<Record<string, Rule>>;

/**
 * Joins rules that stand in several files.
 *
 * @throws Error on a name that two of them use: a defect of the grammar.
 */
export function mergeRules(...parts: readonly Rules[]): Rules {
  const merged: Record<string, Rule> = {};
  for (const [name, rule] of parts.flatMap((part) => Object.entries(part))) {
    if (name in merged) throw new Error(`two rules are named "${name}"`);
    merged[name] = rule;
  }
  return merged;
}

/** Gives the inflected form of a word; `endings` in the order in which they are attached. */
export type Inflect = (word: string, endings: readonly string[]) => string;

type Item =
  | { kind: 'word'; word: string }
  | { kind: 'rule'; rule: string; chance: number }
  | { kind: 'open'; type: string }
  | { kind: 'close' };
type Inflected = Item & { endings: readonly string[] };

interface Choice {
  templates: readonly (readonly Inflected[])[];
  weights: readonly number[];
}

type Compiled = Choice | ((draw: Draw) => string | readonly string[]);

/** Words that grow while a sentence expands, with the entity that is open at the moment. */
interface Growing {
  words: string[];
  tags: string[];
  /** Endings that each word has taken so far, from the inner rules to the outer ones. */
  endings: (readonly string[])[];
  /** Words without their endings. */
  stems: string[];
  open: string[];
  /** Whether the next word begins the open entity. */
  begins: boolean;
}

const ITEM = /\[[A-Z_]+|\][^\s\]]*|[^\s\]]+/g;
const RULE_ITEM = /^\{([\w-]+)(\?(\d*))?\}((?:\+[A-Z0-9]+)*)$/;
const WORD_ITEM = /^([^{}[\]+]+)((?:\+[A-Z0-9]+)*)$/;
const WEIGHT = /^(\d+)\* /;
/** Flattens the fall of frequency in word lists: the first word is some times as frequent as the tenth. */
const RANK_OFFSET = 4;

/** A weighted grammar whose expansions carry words and their IOB2 tags together. It holds no state. */
export class Grammar {
  readonly #rules: ReadonlyMap<string, Compiled>;
  readonly #inflect: Inflect;

  /**
   * Compiles the rules; `inflect` serves the endings in templates.
   *
   * @throws Error on a template that cannot be read or that names an unknown rule: a defect of the grammar,
   * not of its user.
   */
  constructor(rules: Rules, inflect: Inflect = (word) => word) {
    this.#inflect = inflect;
    this.#rules = new Map(Object.entries(rules).map(([name, rule]) => [name, compile(name, rule)]));
    for (const [name, used] of this.references()) {
      if (!this.#rules.has(used)) throw new Error(`rule "${name}" uses the unknown rule "${used}"`);
    }
  }

  /** Every use of a rule in a template, as pairs (where, which). */
  *references(): Generator<[string, string]> {
    for (const [name, rule] of this.#rules) {
      if (typeof rule === 'function') continue;
      for (const item of rule.templates.flat()) if (item.kind === 'rule') yield [name, item.rule];
    }
  }

  /** Every entity type in the templates. */
  entityTypes(): Set<string> {
    const types = new Set<string>();
    for (const rule of this.#rules.values()) {
      if (typeof rule === 'function') continue;
      for (const item of rule.templates.flat()) if (item.kind === 'open') types.add(item.type);
    }
    return types;
  }

  /** Names of all rules. */
  get ruleNames(): string[] {
    return [...this.#rules.keys()];
  }

  /** Expands one rule to a sentence. */
  expand(start: string, draw: Draw): Sentence {
    const out: Growing = { words: [], tags: [], endings: [], stems: [], open: [], begins: false };
    this.#expandRule(start, draw, out);
    return { words: out.words, tags: out.tags };
  }

  #expandRule(name: string, draw: Draw, out: Growing): void {
    const rule = this.#rules.get(name);
    if (rule === undefined) throw new Error(`unknown rule "${name}"`);
    if (typeof rule === 'function') {
      const made = rule(draw);
      for (const word of typeof made === 'string' ? [made] : made) append(word, out);
      return;
    }
    for (const item of draw.random.weighted(rule.templates, rule.weights)) this.#expandItem(item, draw, out);
  }

  #expandItem(item: Inflected, draw: Draw, out: Growing): void {
    const before = out.words.length;
    if (item.kind === 'open') {
      out.begins = out.open.length === 0;
      out.open.push(item.type);
    } else if (item.kind === 'close') {
      out.open.pop();
    } else if (item.kind === 'word') {
      append(item.word, out);
    } else if (item.chance === 1 || draw.random.next() < item.chance) {
      this.#expandRule(item.rule, draw, out);
    }
    const last = out.words.length - 1;
    if (item.endings.length > 0 && last >= before) {
      out.endings[last] = [...out.endings[last]!, ...item.endings];
      out.words[last] = this.#inflect(out.stems[last]!, out.endings[last]);
    }
  }
}

function append(word: string, out: Growing): void {
  const type = out.open[0];
  out.words.push(word);
  out.stems.push(word);
  out.endings.push([]);
  out.tags.push(type === undefined ? 'O' : `${out.begins ? 'B' : 'I'}-${type}`);
  out.begins = false;
}

function compile(name: string, rule: Rule): Compiled {
  if (typeof rule === 'function') return rule;
  if (typeof rule === 'string') {
    const words = rule.trim().split(/\s+/);
    return {
      templates: words.map((word) => [{ kind: 'word', word, endings: [] }]),
      weights: words.map((_, rank) => 1 / (rank + RANK_OFFSET)),
    };
  }
  return {
    templates: rule.map((template) => parseTemplate(name, template.replace(WEIGHT, ''))),
    weights: rule.map((template) => Number(WEIGHT.exec(template)?.[1] ?? 1)),
  };
}

function parseTemplate(name: string, template: string): Inflected[] {
  const items = [...template.matchAll(ITEM)].map(([text]) => parseItem(name, text));
  let depth = 0;
  for (const { kind } of items) {
    depth += kind === 'open' ? 1 : kind === 'close' ? -1 : 0;
    if (depth < 0) break;
  }
  if (depth !== 0) throw new Error(`rule "${name}": brackets do not match in "${template}"`);
  return items;
}

function parseItem(name: string, text: string): Inflected {
  if (text.startsWith('[')) return { kind: 'open', type: text.slice(1), endings: [] };
  if (text === ']') return { kind: 'close', endings: [] };
  const used = RULE_ITEM.exec(text);
  if (used !== null) {
    const chance = used[2] === undefined ? 1 : Number(used[3] || 50) / 100;
    return { kind: 'rule', rule: used[1]!, chance, endings: endingsOf(used[4]!) };
  }
  const word = WORD_ITEM.exec(text);
  if (word === null) throw new Error(`rule "${name}": cannot read "${text}"`);
  return { kind: 'word', word: word[1]!, endings: endingsOf(word[2]!) };
}

function endingsOf(text: string): string[] {
  return text.split('+').filter((ending) => ending !== '');
}
