import { types } from 'node:util';

const thrown = () => {
  throw new Error('what was given throws');
};

const TRAPS: ProxyHandler<object> = Object.fromEntries(
  ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor', 'set', 'defineProperty'].map(
    (trap) => [trap, thrown],
  ),
);

/** Names that options and data of the public face have. */
const FIELDS = [
  'length',
  'words',
  'tags',
  'signal',
  'model',
  'inputIds',
  'embeddings',
  'layers',
  'maxLength',
  'size',
];

function withGetters(): object {
  const fields = FIELDS.map((name) => [name, { get: thrown, enumerable: true, configurable: true }]);
  return Object.defineProperties({}, Object.fromEntries(fields));
}

/** What no call takes, or only some. */
export const HOSTILE: Readonly<Record<string, () => unknown>> = {
  null: () => null,
  undefined: () => undefined,
  'a BigInt': () => 5n,
  'a Symbol': () => Symbol('s'),
  'a Proxy whose traps throw': () => new Proxy({}, TRAPS),
  'a list of such': () => [new Proxy({}, TRAPS)],
  'an object with getters that throw': withGetters,
  'a list of null': () => [null],
};

/** A call, with one thing in its arguments that should not be there. */
export interface Attempt {
  what: string;
  given: unknown[];
}

/** Every argument, and every field of every argument that is options, replaced by each of {@link HOSTILE}. */
export function* attempts(name: string, sample: () => unknown[], arity: number): Generator<Attempt> {
  const usual = sample();
  for (const [kind, make] of Object.entries(HOSTILE)) {
    for (let at = 0; at < Math.max(arity, usual.length, 1); at++) {
      const given = sample();
      given[at] = make();
      yield { what: `${name}: argument ${at + 1} is ${kind}`, given };
    }
    for (const [at, argument] of usual.entries()) {
      for (const path of fieldsOf(argument)) {
        const given = sample();
        given[at] = replaced(given[at] as object, path, make());
        yield { what: `${name}: ${path.join('.')} is ${kind}`, given };
      }
    }
  }
}

function fieldsOf(value: unknown, depth = 0): string[][] {
  if (!isPlain(value) || depth > 1) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    [key],
    ...fieldsOf(inner, depth + 1).map((path) => [key, ...path]),
  ]);
}

function replaced(value: object, [key, ...rest]: readonly string[], by: unknown): object {
  const inner = (value as Record<string, unknown>)[key!];
  return { ...value, [key!]: rest.length === 0 ? by : replaced(inner as object, rest, by) };
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !types.isProxy(value) &&
    Object.getPrototypeOf(value) === Object.prototype
  );
}
