import type { LayerPart } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import { type LayerSelection, PART_NOTATION, parseSelection } from './parts.js';
import { bottomUp, full, interleaved, type OnlyOptions, only, type Strategy, topDown } from './strategy.js';

/** Every form that {@link parseStrategy} reads, with an example that it reads and what it freezes. */
export const STRATEGY_NOTATIONS: readonly { form: string; example: string; freezes: string }[] = [
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

const NAMES = ['full', 'bottom-up', 'top-down', 'interleaved', 'only'];

const KEY_OF_ITEM: ReadonlyMap<string, 'layers' | LayerPart> = new Map([
  ['layers', 'layers'] as const,
  ...Object.entries(PART_NOTATION).map(([part, text]) => [text, part as LayerPart] as const),
]);

/**
 * Reads a freezing strategy from text such as `bottom-up:6`.
 *
 * The inverse of a strategy's `notation`; see {@link STRATEGY_NOTATIONS} for every form.
 *
 * @throws INVALID_PLAN naming the input and the valid notations.
 */
export function parseStrategy(text: string): Strategy {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? null : text.slice(colon + 1);
  switch (name) {
    case 'full':
    case 'interleaved':
      if (value !== null) fail(text, `${name} takes no value`, name);
      return name === 'full' ? full() : interleaved();
    case 'bottom-up':
    case 'top-down': {
      const k = readLayerCount(text, name, value);
      return name === 'bottom-up' ? bottomUp(k) : topDown(k);
    }
    case 'only':
      return only(readItems(text, value));
    default:
      return failUnknownName(text, name, value);
  }
}

function readLayerCount(text: string, name: string, value: string | null): number {
  if (value === null || !/^\d{1,4}$/.test(value)) {
    const got = value === null ? 'nothing' : `'${value}'`;
    fail(text, `expected the number of frozen layers after '${name}:', an integer from 0, got ${got}`, null);
  }
  return Number(value);
}

function readItems(text: string, value: string | null): OnlyOptions {
  if (value === 'none') return {};
  if (value === null || value === '') fail(text, `expected what to freeze after 'only:'`, null);
  const options: { embeddings?: boolean } & { [key in 'layers' | LayerPart]?: LayerSelection } = {};
  for (const item of value.split(',')) {
    if (item === 'embeddings') {
      if (options.embeddings) fail(text, `'embeddings' is given twice`, null);
      options.embeddings = true;
      continue;
    }
    const [name, layers, ...rest] = item.split('=');
    const key = KEY_OF_ITEM.get(name!);
    if (key === undefined) {
      const items = ['embeddings', ...KEY_OF_ITEM.keys()];
      const meant = didYouMean(name!, items);
      fail(
        text,
        `unknown item '${item}'; valid items: ${items.join(', ')}`,
        meant && text.replace(name!, meant),
      );
    }
    const selection = layers === undefined || rest.length > 0 ? null : parseSelection(layers);
    if (selection === null) {
      fail(text, `item '${item}': expected ${name}=all or layer indices such as ${name}=0-5+8`, null);
    }
    if (options[key] !== undefined) fail(text, `'${name}' is given twice; join layers with '+'`, null);
    options[key] = selection;
  }
  return options;
}

function failUnknownName(text: string, name: string, value: string | null): never {
  const meant = didYouMean(name, NAMES);
  if (meant === null) fail(text, name === '' ? 'it has no name' : `unknown strategy '${name}'`, null);
  const takesValue = meant !== 'full' && meant !== 'interleaved';
  const example = STRATEGY_NOTATIONS.find(({ form }) => form.startsWith(meant))?.example ?? meant;
  const repaired = value !== null && takesValue ? `${meant}:${value}` : example;
  return fail(text, `unknown strategy '${name}'`, repaired);
}

function fail(text: string, reason: string, meant: string | null): never {
  const valid = STRATEGY_NOTATIONS.map(
    ({ form, example, freezes }) =>
      `  ${form === example ? form : `${form}, for example ${example}`} (freezes ${freezes})`,
  );
  throw new PermafrostError(
    'INVALID_PLAN',
    `Freezing strategy '${text}': ${reason}.${meant ? ` Did you mean '${meant}'?` : ''}\n` +
      `Valid notations:\n${valid.join('\n')}`,
    { got: text, didYouMean: meant, valid: STRATEGY_NOTATIONS.map(({ form }) => form) },
  );
}
