import { types } from 'node:util';
import { type ErrorCode, PermafrostError } from './error.js';
import { quoteValue } from './option-error.js';

/** Values that are looked at in the arguments of a call that failed. */
const MOST_VALUES = 100_000;
const DEEPEST = 8;

/** Keys that a proxy is asked for to see whether it answers; any will do. */
const PROBES = ['length', 'then', Symbol.iterator, Symbol.asyncIterator] as const;

/** Frames that stacks have, as the process began. */
const STACK_LIMIT = Error.stackTraceLimit;

/** Root of this package's code, as stacks name it. */
const ROOT_URL = new URL('../', import.meta.url).href;
const ROOT_PATH = decodeURIComponent(new URL(ROOT_URL).pathname);

/**
 * What leaves the package in place of what was thrown in it: a {@link PermafrostError}; the reason of the signal that
 * ended the call; or what the caller's own code threw, a callback, a schedule or an iterable, as it is.
 *
 * Nothing is looked at before a call fails, so a call that does not fail costs nothing.
 *
 * @param where the call, for the message
 * @param given its arguments
 * @param made arguments of the calls that made what the call is a method of
 */
export function typedError(
  error: unknown,
  where: string,
  given: readonly unknown[],
  made: readonly unknown[] = [],
): unknown {
  if (error instanceof PermafrostError) return error;
  const { unreadable, signals, hasCode, hasProxy } = survey([...made, ...given]);
  const ended = signals.find(({ aborted }) => aborted);
  if (ended !== undefined && (error === ended.reason || isAbort(error))) return ended.reason;
  if (unreadable !== null) {
    // Node forgets to put it back where it cannot print an argument that it complains of.
    if (Error.stackTraceLimit === 0) Error.stackTraceLimit = STACK_LIMIT;
    return cannotRead(unreadable, where);
  }
  if (isAbort(error) || !types.isNativeError(error)) return error;
  const origin = originOf(error);
  if (origin === 'caller' && hasProxy && !hasCode) {
    return cannotRead({ path: 'argument', cause: error }, where);
  }
  if (origin === 'caller' || (origin === 'unknown' && hasCode && !isOfArguments(error))) return error;
  return ownError(error, where, given);
}

/** An error that arose in our code or below it. */
function ownError(error: Error, where: string, given: readonly unknown[]): PermafrostError {
  const code = codeOf(error);
  const call = `${where}(${given.map(quoteBriefly).join(', ')})`;
  const text = error.message;
  const message =
    code === 'INVALID_OPTION'
      ? `${call}: that is not what it takes (${text}). Its documentation says what it takes; where that is what it was ` +
        'given, please report this.'
      : code === 'INTERNAL'
        ? `${call}: ${text}. This must not happen: please report it.`
        : `${call}: ${text}.`;
  return new PermafrostError(code, message, { where }, { cause: error });
}

function codeOf(error: Error): ErrorCode {
  const { code } = error as NodeJS.ErrnoException;
  if (/allocation failed|out of memory/i.test(error.message)) return 'OUT_OF_MEMORY';
  if (typeof code === 'string' && FILE_CODES.has(code)) return 'FILE_NOT_FOUND';
  if (typeof code === 'string' && DISK_CODES.has(code)) return 'WRITE_FAILED';
  return isOfArguments(error) ? 'INVALID_OPTION' : 'INTERNAL';
}

/** Whether it is an error of a kind that wrong arguments lead to, in JavaScript or at the border of native code. */
function isOfArguments(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof URIError ||
    (typeof code === 'string' && /^InvalidArg$|Expected$/.test(code))
  );
}

const FILE_CODES: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'EACCES',
  'EPERM',
  'ENAMETOOLONG',
  'ELOOP',
]);
const DISK_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EROFS', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO']);

function cannotRead({ path, cause }: Unreadable, where: string): PermafrostError {
  const text = types.isNativeError(cause) ? cause.message : quoteBriefly(cause);
  return new PermafrostError(
    'INVALID_OPTION',
    `${where}: \`${path}\`: expected a value that can be read, got one whose reading throws (${text}).`,
    { where, option: path },
    { cause },
  );
}

function quoteBriefly(value: unknown): string {
  try {
    const text = quoteValue(value);
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  } catch {
    return 'an object';
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/**
 * Whose code threw: that of the first frame of the stack which is neither the runtime's nor a dependency's. Unknown
 * where there is none, as for errors of the file system.
 */
function originOf({ stack }: Error): 'ours' | 'caller' | 'unknown' {
  if (typeof stack !== 'string') return 'unknown';
  for (const line of stack.split('\n')) {
    if (!/^\s+at /.test(line)) continue;
    if (line.includes(ROOT_URL) || line.includes(ROOT_PATH)) return 'ours';
    if (!/node:|<anonymous>|native|node_modules[/\\]/.test(line)) return 'caller';
  }
  return 'unknown';
}

interface Unreadable {
  /** Option that throws when it is read. */
  path: string;
  cause: unknown;
}

interface Survey {
  unreadable: Unreadable | null;
  signals: AbortSignal[];
  /** Whether there is code of the caller among the arguments, whose errors are the caller's. */
  hasCode: boolean;
  hasProxy: boolean;
}

/** Reads all that was given, as far as it is data. */
function survey(given: readonly unknown[]): Survey {
  const found: Survey = { unreadable: null, signals: [], hasCode: false, hasProxy: false };
  const seen = new Set<object>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (typeof value === 'function') found.hasCode = true;
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    if (seen.size >= MOST_VALUES || depth > DEEPEST || found.unreadable !== null) return;
    seen.add(value);
    try {
      if (types.isProxy(value)) {
        found.hasProxy = true;
        for (const probe of PROBES) Reflect.get(value, probe);
      }
      if (value instanceof AbortSignal) {
        found.signals.push(value);
        return;
      }
      const accessors = inheritedAccessors(value);
      if (accessors === null) return;
      if (accessors.isForeignClass) found.hasCode = true;
      for (const key of [...Reflect.ownKeys(value), ...accessors.keys]) {
        const inner = path === '' ? String(key) : `${path}.${String(key)}`;
        let item: unknown;
        try {
          item = Reflect.get(value, key);
        } catch (cause) {
          found.unreadable ??= { path: inner, cause };
          return;
        }
        visit(item, inner, depth + 1);
      }
    } catch (cause) {
      found.unreadable ??= { path: path || 'argument', cause };
    }
  };
  // Options are named without the argument that holds them, as everywhere.
  for (const value of given) visit(value, '', 0);
  return found;
}

/** Accessors that an object inherits; null for objects of the runtime, whose fields are no options. */
function inheritedAccessors(value: object): { keys: PropertyKey[]; isForeignClass: boolean } | null {
  if (ArrayBuffer.isView(value)) return null;
  const keys: PropertyKey[] = [];
  let isForeignClass = false;
  for (
    let prototype: object | null = Object.getPrototypeOf(value);
    prototype !== null && prototype !== Object.prototype && prototype !== Array.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    if (typeof maker === 'function' && Object.hasOwn(globalThis, maker.name)) return null;
    isForeignClass = true;
    const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
    keys.push(...members.filter(([, member]) => member.get !== undefined).map(([key]) => key));
  }
  return { keys, isForeignClass };
}
