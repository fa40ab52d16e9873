/** As many marks in a row as no writing has. */
const LONG_RUN = /\p{M}{32}/u;
const MARKS = /\p{M}/u;
/** Marks of the lowest and of nearly the highest combining class. */
const [LOWEST, HIGH] = ['\u0334', '\u0345'];

/**
 * Unicode's canonical forms, in linear time: the engine's own sorts a run of n combining marks in time n².
 */
export function canonicalForm(text: string, form: 'NFC' | 'NFD'): string {
  return (LONG_RUN.test(text) ? withSortedMarks(text) : text).normalize(form);
}

/** The text with each run of marks decomposed and in canonical order (Unicode 15, section 3.11, D109). */
function withSortedMarks(text: string): string {
  const parts: string[] = [];
  let run: string[] = [];
  const end = () => {
    parts.push(sorted(run).join(''));
    run = [];
  };
  for (const character of text) {
    if (!MARKS.test(character)) {
      if (run.length > 0) end();
      parts.push(character);
      continue;
    }
    for (const mark of character.normalize('NFD')) {
      if (isReordered(mark)) run.push(mark);
      else {
        end();
        parts.push(mark);
      }
    }
  }
  end();
  return parts.join('');
}

/** Stably by combining class. */
function sorted(run: readonly string[]): string[] {
  if (run.length < 2) return [...run];
  const places = new Map<string, string[]>();
  const classes: string[][] = [];
  const distinct = [...new Set(run)].sort(compareClasses);
  for (const [i, mark] of distinct.entries()) {
    const isNew = i === 0 || compareClasses(distinct[i - 1]!, mark) !== 0;
    if (isNew) classes.push([]);
    places.set(mark, classes.at(-1)!);
  }
  for (const mark of run) places.get(mark)!.push(mark);
  return classes.flat();
}

function compareClasses(a: string, b: string): number {
  if (isSwapped(a, b)) return 1;
  return isSwapped(b, a) ? -1 : 0;
}

/** Whether a mark has a combining class, by which it is ordered. */
function isReordered(mark: string): boolean {
  return isSwapped(mark, LOWEST!) || isSwapped(HIGH!, mark);
}

/** Whether canonical order puts two marks the other way round. */
function isSwapped(a: string, b: string): boolean {
  return a !== b && (a + b).normalize('NFD') === b + a;
}
