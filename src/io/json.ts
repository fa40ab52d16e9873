/** A JSON object. */
export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Nesting beyond every file that is read here; what is nested ten times deeper exhausts the stack of who walks it. */
const MOST_LEVELS = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON that a file holds.
 *
 * @throws SyntaxError, also for what is nested more than a thousand levels deep
 */
export function parseJson(text: string): unknown {
  checkLevels(text);
  return JSON.parse(text);
}

function checkLevels(text: string): void {
  if (text.length <= MOST_LEVELS) return;
  let levels = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = endOfString(text, i);
    } else if (unit === 0x5b || unit === 0x7b) {
      if (++levels > MOST_LEVELS) throw new SyntaxError(`more than ${MOST_LEVELS} levels of nesting`);
    } else if (unit === 0x5d || unit === 0x7d) {
      levels--;
    }
  }
}

/** Place of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; ; i++) {
    i = text.indexOf('"', i);
    if (i < 0) return text.length;
    let before = i - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((i - before) % 2 === 1) return i;
  }
}
