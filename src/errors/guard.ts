import { types } from 'node:util';
import { PermafrostError } from './error.js';
import { typedError } from './foreign-error.js';
import { quoteValue } from './option-error.js';

// The edge of the package. Every entry is loaded through `guardFace` (scripts/guard-entries.mjs), which puts one
// function around each call that comes from outside: what leaves is a PermafrostError, the reason of a signal, or what
// the caller's own code threw. Types, names and identities stay: `instanceof`, `length` and documentation are those of
// what lies behind.

// biome-ignore lint/suspicious/noExplicitAny: any function at all.
type AnyFunction = (...given: any[]) => unknown;
type AnyClass = new (...given: unknown[]) => object;

/** What stands around a function or class, so that two entries that export one name export one thing. */
const guards = new WeakMap<object, AnyFunction>();
/** Prototypes of results that need no second look. */
const knownPrototypes = new WeakSet<object>();
/** Prototypes and classes whose members are guarded. */
const guardedMembers = new WeakSet<object>();

/** The same exports, each function and class behind the edge. */
export function guardFace<Face extends Readonly<Record<string, unknown>>>(face: Face): Face {
  const entries = Object.entries(face).map(([name, value]) => [name, guardExport(name, value)]);
  return Object.fromEntries(entries) as Face;
}

function guardExport(name: string, value: unknown): unknown {
  const nameOf = () => name;
  if (typeof value !== 'function') return guardResult(value, nameOf, []);
  return isClass(value) ? guardClass(name, value) : guardFunction(nameOf, value as AnyFunction);
}

/** One function behind the edge, under its own name. */
function guardFunction(nameOf: (self: unknown) => string, target: AnyFunction): AnyFunction {
  const known = guards.get(target);
  if (known !== undefined) return known;
  const guarded = aroundCalls(nameOf, target, []);
  Object.defineProperties(guarded, {
    name: { value: target.name, configurable: true },
    length: { value: target.length, configurable: true },
  });
  guards.set(target, guarded);
  guards.set(guarded, guarded);
  return guarded;
}

/**
 * @param nameOf the call's name for messages, from the object that it is a method of
 * @param made what the object was made from whose method this is
 */
function aroundCalls(
  nameOf: (self: unknown) => string,
  target: AnyFunction,
  made: readonly unknown[],
): AnyFunction {
  // A method, as it cannot be called with `new`.
  return {
    guarded(this: unknown, ...given: unknown[]): unknown {
      const odd = oddArgument(given);
      if (odd >= 0 && isAsync(target)) return Promise.reject(oddError(nameOf(this), given, odd));
      let result: unknown;
      try {
        result = Reflect.apply(target, this, given);
      } catch (error) {
        throw typedError(error, nameOf(this), given, made);
      }
      // Work that was begun tells of its arguments itself.
      if (odd >= 0 && !isUnderWay(result)) throw oddError(nameOf(this), given, odd);
      if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return result;
      return guardResult(result, () => nameOf(this), made.length === 0 ? given : made.concat(given));
    },
  }.guarded;
}

/** Position of a BigInt or a Symbol, which no call takes, and which some would not notice; -1 where there is none. */
function oddArgument(given: readonly unknown[]): number {
  for (let i = 0; i < given.length; i++) {
    const kind = typeof given[i];
    if (kind === 'bigint' || kind === 'symbol') return i;
  }
  return -1;
}

function oddError(where: string, given: readonly unknown[], position: number): PermafrostError {
  const got = given[position];
  return new PermafrostError(
    'INVALID_OPTION',
    `${where}: argument ${position + 1}: expected another value, got the ${typeof got} ${quoteValue(got)}.`,
    { where, argument: position + 1 },
  );
}

function isAsync(target: AnyFunction): boolean {
  return Object.prototype.toString.call(target) === '[object AsyncFunction]';
}

/** Whether a result is of a call that is not over: a promise, an iteration, an object that holds one. */
function isUnderWay(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false;
  return result instanceof Promise || isIteration(result) || Symbol.asyncIterator in result;
}

/** The same class, whose construction is guarded, too; its members are guarded where they stand. */
function guardClass(name: string, target: AnyClass): AnyFunction {
  const known = guards.get(target);
  if (known !== undefined) return known;
  guardMembers(target);
  guardMembers(target.prototype);
  const guarded = new Proxy(target, {
    construct(_, given, newTarget) {
      const odd = oddArgument(given);
      if (odd >= 0) throw oddError(`new ${name}`, given, odd);
      try {
        return Reflect.construct(target, given, newTarget);
      } catch (error) {
        throw typedError(error, `new ${name}`, given);
      }
    },
    apply(_, self, given) {
      try {
        return Reflect.apply(target as unknown as AnyFunction, self, given);
      } catch (error) {
        throw typedError(error, name, given);
      }
    },
  }) as unknown as AnyFunction;
  Object.defineProperty(target.prototype, 'constructor', {
    value: guarded,
    writable: true,
    configurable: true,
  });
  guards.set(target, guarded);
  guards.set(guarded, guarded);
  return guarded;
}

/** Guards methods and accessors of a class or a prototype, and of those that it inherits from. */
function guardMembers(holder: object): void {
  if (holder === Object.prototype || holder === Function.prototype || guardedMembers.has(holder)) return;
  if (isBuiltIn(holder)) return;
  guardedMembers.add(holder);
  for (const key of Reflect.ownKeys(holder)) {
    if (key === 'constructor' || key === 'prototype') continue;
    const member = Reflect.getOwnPropertyDescriptor(holder, key)!;
    if (!member.configurable) continue;
    const nameOf = (self: unknown) => `${ownerOf(self)}${keyName(key)}`;
    if (typeof member.value === 'function') {
      Object.defineProperty(holder, key, { ...member, value: guardFunction(nameOf, member.value) });
    } else if (member.get !== undefined) {
      Object.defineProperty(holder, key, {
        ...member,
        get: guardFunction(nameOf, member.get) as () => unknown,
      });
    }
  }
  guardMembers(Object.getPrototypeOf(holder) ?? Object.prototype);
}

/**
 * What a call gives, behind the edge as well: a promise, an iteration, an object with methods or promises in it, an
 * instance of a class of ours. What the caller gave and gets back is the caller's own.
 */
function guardResult(result: unknown, nameOf: () => string, given: readonly unknown[]): unknown {
  if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return result;
  if (given.includes(result)) return result;
  if (typeof result === 'function') return aroundCalls(nameOf, result as AnyFunction, given);
  if (result instanceof Promise) {
    return result.then(
      (value) => guardResult(value, nameOf, given),
      (error) => {
        throw typedError(error, nameOf(), given);
      },
    );
  }
  const prototype: unknown = Object.getPrototypeOf(result);
  if (prototype === Object.prototype) {
    if (hasCalls(result)) guardOwn(result, nameOf, given);
  } else if (Array.isArray(result)) {
    guardItems(result, nameOf, given);
  } else if (isIteration(result)) {
    guardIteration(result, nameOf, given);
  } else if (typeof prototype === 'object' && prototype !== null && !knownPrototypes.has(prototype)) {
    knownPrototypes.add(prototype);
    if (isClass(prototype.constructor)) guardMembers(prototype);
  }
  return result;
}

/** Whether there is something in an object to be called or waited for. Most results are figures alone. */
function hasCalls(result: object): boolean {
  for (const key in result) {
    const value: unknown = (result as Record<string, unknown>)[key];
    if (typeof value === 'function' || value instanceof Promise) return true;
  }
  return Object.getOwnPropertySymbols(result).length > 0;
}

/** Items of a list are of one kind. */
function guardItems(items: readonly unknown[], nameOf: () => string, given: readonly unknown[]): void {
  const [first] = items;
  // Items may be the caller's own.
  if (typeof first !== 'object' || first === null || types.isProxy(first)) return;
  if (Object.getPrototypeOf(first) !== Object.prototype || !hasCalls(first)) return;
  for (const item of items) guardResult(item, nameOf, given);
}

function guardOwn(result: object, nameOf: () => string, given: readonly unknown[]): void {
  for (const key of Reflect.ownKeys(result)) {
    const member = Reflect.getOwnPropertyDescriptor(result, key)!;
    const { value } = member;
    const isPromise = value instanceof Promise;
    if (!member.configurable || (typeof value !== 'function' && !isPromise) || isClass(value)) continue;
    const guarded = isPromise
      ? guardResult(value, nameOf, given)
      : aroundCalls(() => `${nameOf()}().${keyName(key)}`, value, given);
    // A promise within an object is there for those who want it: nobody needs to wait for it.
    if (isPromise) (guarded as Promise<unknown>).catch(() => undefined);
    Object.defineProperty(result, key, { ...member, value: guarded });
  }
}

function guardIteration(
  iteration: AsyncIterator<unknown> | Iterator<unknown>,
  nameOf: () => string,
  given: readonly unknown[],
): void {
  for (const key of ['next', 'return', 'throw'] as const) {
    const step = iteration[key];
    if (typeof step !== 'function') continue;
    // Each iteration has its own arguments; the methods behind it are those of all generators.
    const guarded = (...sent: unknown[]) => {
      try {
        const result = Reflect.apply(step, iteration, sent) as unknown;
        return result instanceof Promise ? result.catch(fail) : result;
      } catch (error) {
        return fail(error);
      }
    };
    const fail = (error: unknown): never => {
      throw typedError(error, nameOf(), given);
    };
    Object.defineProperty(iteration, key, { value: guarded, writable: true, configurable: true });
  }
}

function isIteration(value: object): value is AsyncIterator<unknown> | Iterator<unknown> {
  return typeof (value as { next?: unknown }).next === 'function';
}

/** A class, which alone has a prototype that cannot be replaced; but for those of the runtime. */
function isClass(value: unknown): value is AnyClass {
  if (typeof value !== 'function') return false;
  return Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false && !isGlobal(value);
}

/** Whether an object is a global class, such as `Map`, or the prototype of one. */
function isBuiltIn(holder: object): boolean {
  return isGlobal(typeof holder === 'function' ? holder : holder.constructor);
}

function isGlobal({ name }: { name: string }): boolean {
  return Object.hasOwn(globalThis, name);
}

/** `Tagger.` of an instance or of the class itself. */
function ownerOf(self: unknown): string {
  const name =
    typeof self === 'function' ? self.name : (self as object | null | undefined)?.constructor?.name;
  return name === undefined || name === '' ? '' : `${name}.`;
}

function keyName(key: PropertyKey): string {
  return typeof key === 'symbol' ? `[${key.description}]` : String(key);
}
