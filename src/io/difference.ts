/** One field in which two values differ. */
export interface Difference {
  /** Names from the outermost object in, with dots between. */
  path: string;
  was: string;
  is: string;
}

/** The fields in which two values of JSON differ, in the order of their names in `was`, then in `is`. */
export function differences(was: unknown, is: unknown): Difference[] {
  const [before, after] = [flatten(was), flatten(is)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, was: before.get(path) ?? 'none', is: after.get(path) ?? 'none' }));
}

/** Names in backticks, as messages have options: what was there, what is now; long texts such as digests are cut. */
export function describeDifferences(found: readonly Difference[]): string {
  const short = (text: string) => (text.length > 40 ? `${text.slice(0, 12)}…` : text);
  return found.map(({ path, was, is }) => `\`${path}\` ${short(was)} there, ${short(is)} now`).join('; ');
}

/** The innermost values of JSON as texts, each by its path. */
export function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (value !== null && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path ? `${path}.${key}` : key, into);
  } else if (value !== undefined) {
    into.set(path, String(value));
  }
  return into;
}
