import type { LayerPart } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import { type LayerSelection, PART_NOTATION, parseSelection } from './parts.js';
import { bottomUp, full, interleaved, type OnlyOptions, only, type Strategy, topDown } from './strategy.js';

/** A form of text that stands for a way to freeze, with an example of it and what it freezes. */
export interface NotationForm {
  form: string;
  example: string;
  freezes: string;
}

/** Every form that {@link parseStrategy} reads. */
export const STRATEGY_NOTATIONS: readonly NotationForm[] = [
  { form: 'full', example: 'full', freezes: 'nothing' },
  { form: 'bottom-up:K', example: 'bottom-up:6', freezes: 'the embeddings and the first K layers' },
  { form: 'top-down:K', example: 'top-down:6', freezes: 'the embeddings and the last K layers' },
  { form: 'interleaved', example: 'interleaved', freezes: 'the embeddings and layers 1, 3, 5, …' },
  {
    form: 'only:ITEM,…',
    example: 'only:embeddings,layers=0-5,attention=6+8-9,bias=all',
    freezes: 'what the items name: embeddings, layers=, attention=, feed-forward=, layer-norm=, bias=',
  },
];

/** What each notation of a strategy begins with. */
export const STRATEGY_NAMES: readonly string[] = ['full', 'bottom-up', 'top-down', 'interleaved', 'only'];

const KEY_OF_ITEM: ReadonlyMap<string, 'layers' | LayerPart> = new Map([
  ['layers', 'layers'] as const,
  ...Object.entries(PART_NOTATION).map(([part, text]) => [text, part as LayerPart] as const),
]);

/** Ends the reading of a notation. @param meant what was probably meant, if anything */
type Fail = (reason: string, meant: string | null) => never;

/**
 * Reads a freezing strategy from text such as `bottom-up:6`.
 *
 * The inverse of a strategy's `notation`; see {@link STRATEGY_NOTATIONS} for every form.
 *
 * @throws INVALID_PLAN naming the input and the valid notations.
 */
export function parseStrategy(text: string): Strategy {
  const { name, value } = splitNotation(text);
  const fail: Fail = (reason, meant) => failNotation(text, { reason, meant, valid: STRATEGY_NOTATIONS });
  const read = readStrategy(text, fail);
  if (read !== null) return read;
  const meant = didYouMean(name, STRATEGY_NAMES);
  const reason = name === '' ? 'it has no name' : `unknown strategy '${name}'`;
  return fail(reason, meant && repaired(meant, value, STRATEGY_NOTATIONS));
}

/** The name of a notation, and what follows its colon. */
export function splitNotation(text: string): { name: string; value: string | null } {
  const colon = text.indexOf(':');
  return colon < 0
    ? { name: text, value: null }
    : { name: text.slice(0, colon), value: text.slice(colon + 1) };
}

/** The strategy that a text names; null where it has the name of none. */
export function readStrategy(text: string, fail: Fail): Strategy | null {
  const { name, value } = splitNotation(text);
  switch (name) {
    case 'full':
    case 'interleaved':
      if (value !== null) fail(`${name} takes no value`, name);
      return name === 'full' ? full() : interleaved();
    case 'bottom-up':
    case 'top-down': {
      const k = readLayerCount(name, value, fail);
      return name === 'bottom-up' ? bottomUp(k) : topDown(k);
    }
    case 'only':
      return only(readItems(text, value, fail));
    default:
      return null;
  }
}

function readLayerCount(name: string, value: string | null, fail: Fail): number {
  if (value === null || !/^\d{1,4}$/.test(value)) {
    const got = value === null ? 'nothing' : `'${value}'`;
    fail(`expected the number of frozen layers after '${name}:', an integer from 0, got ${got}`, null);
  }
  return Number(value);
}

function readItems(text: string, value: string | null, fail: Fail): OnlyOptions {
  if (value === 'none') return {};
  if (value === null || value === '') fail(`expected what to freeze after 'only:'`, null);
  const options: { embeddings?: boolean } & { [key in 'layers' | LayerPart]?: LayerSelection } = {};
  for (const item of value.split(',')) {
    if (item === 'embeddings') {
      if (options.embeddings) fail(`'embeddings' is given twice`, null);
      options.embeddings = true;
      continue;
    }
    const [name, layers, ...rest] = item.split('=');
    const key = KEY_OF_ITEM.get(name!);
    if (key === undefined) {
      const items = ['embeddings', ...KEY_OF_ITEM.keys()];
      const meant = didYouMean(name!, items);
      fail(`unknown item '${item}'; valid items: ${items.join(', ')}`, meant && text.replace(name!, meant));
    }
    const selection = layers === undefined || rest.length > 0 ? null : parseSelection(layers);
    if (selection === null) {
      fail(`item '${item}': expected ${name}=all or layer indices such as ${name}=0-5+8`, null);
    }
    if (options[key] !== undefined) fail(`'${name}' is given twice; join layers with '+'`, null);
    options[key] = selection;
  }
  return options;
}

/** A notation of the name that was meant: with the value that was given, where it takes one, else its example. */
export function repaired(meant: string, value: string | null, forms: readonly NotationForm[]): string {
  const { form, example } = forms.find((known) => splitNotation(known.form).name === meant)!;
  return value !== null && form !== example ? `${meant}:${value}` : example;
}

/** @throws INVALID_PLAN naming the input and the valid notations. */
export function failNotation(
  text: string,
  { reason, meant, valid }: { reason: string; meant: string | null; valid: readonly NotationForm[] },
): never {
  const forms = valid.map(
    ({ form, example, freezes }) =>
      `  ${form === example ? form : `${form}, for example ${example}`} (freezes ${freezes})`,
  );
  throw new PermafrostError(
    'INVALID_PLAN',
    `Freezing strategy '${text}': ${reason}.${meant ? ` Did you mean '${meant}'?` : ''}\n` +
      `Valid notations:\n${forms.join('\n')}`,
    { got: text, didYouMean: meant, valid: valid.map(({ form }) => form) },
  );
}
