/** How the tags of a file mark entities. Files in BILOU read as `iobes` (L is E, U is S). */
export type TagScheme = 'iob1' | 'iob2' | 'iobes';

/** A tag that its scheme does not allow where it stands. */
export interface SchemeViolation {
  /** Index of the tag in its sentence. */
  index: number;
  /** What was expected. */
  expected: string;
}

const ENDS_OR_SINGLE = 'ESLU';

/**
 * Gathers what distinguishes the schemes over all sentences of a file.
 *
 * IOBES gives itself away by E, S, L and U. IOB1 has `B-x` only right after an entity of type x, and IOB2 has no
 * entity that begins with `I-x`. Where both rules are broken the tags are IOB2 with stray `I-x`, as some published
 * files have them.
 */
export class SchemeEvidence {
  #hasEndsOrSingles = false;
  #hasFreshB = false;
  #hasFreshI = false;

  add(tags: readonly string[]): void {
    let previous = 'O';
    for (const tag of tags) {
      const prefix = tag.charAt(0);
      if (ENDS_OR_SINGLE.includes(prefix)) this.#hasEndsOrSingles = true;
      else if (prefix !== 'O' && !sameType(previous, tag)) {
        if (prefix === 'B') this.#hasFreshB = true;
        else this.#hasFreshI = true;
      }
      previous = tag;
    }
  }

  /** `iob2` where nothing tells. */
  scheme(): TagScheme {
    if (this.#hasEndsOrSingles) return 'iobes';
    return this.#hasFreshI && !this.#hasFreshB ? 'iob1' : 'iob2';
  }
}

/** The first tag that breaks the rules of a scheme, or null. */
export function findViolation(tags: readonly string[], scheme: TagScheme): SchemeViolation | null {
  for (let index = 0; index < tags.length; index++) {
    const expected = expectedAt(tags, index, scheme);
    if (expected !== null) return { index, expected };
  }
  return null;
}

/**
 * Writes the tags of a sentence in IOB2.
 *
 * Tags that break the rules of IOB1 or IOBES read as conlleval reads them: what continues nothing begins an entity.
 * IOB2 is left as it is, the same array.
 *
 * @param tags `O`, or prefix, hyphen and type.
 */
export function toIob2(tags: string[], scheme: TagScheme): string[] {
  if (scheme === 'iob2') return tags;
  return tags.map((tag, index) => {
    const prefix = tag.charAt(0);
    if (prefix === 'O') return tag;
    const continues = 'IEL'.includes(prefix) && isOpenBefore(tags, index);
    return `${continues ? 'I' : 'B'}${tag.slice(1)}`;
  });
}

function expectedAt(tags: readonly string[], index: number, scheme: TagScheme): string | null {
  const tag = tags[index]!;
  const prefix = tag.charAt(0);
  const type = tag.slice(2);
  if (scheme !== 'iobes') {
    if (ENDS_OR_SINGLE.includes(prefix)) return `O, B-${type} or I-${type}`;
    const follows = isOpenBefore(tags, index);
    if (scheme === 'iob2' && prefix === 'I' && !follows) return `B-${type}, since no ${type} entity is open`;
    if (scheme === 'iob1' && prefix === 'B' && !follows) return `I-${type}, since no ${type} entity precedes`;
    return null;
  }
  const open = isOpenBefore(tags, index);
  if ('IEL'.includes(prefix) && !open) return `B-${type} or S-${type}, since no ${type} entity is open`;
  const next = tags[index + 1] ?? 'O';
  const goesOn = 'IEL'.includes(next.charAt(0)) && sameType(tag, next);
  if ('BI'.includes(prefix) && !goesOn)
    return `${prefix === 'B' ? 'S' : 'E'}-${type}, since the entity ends here`;
  return null;
}

/** Whether an entity of the tag's type reaches up to it and can go on. */
function isOpenBefore(tags: readonly string[], index: number): boolean {
  const previous = tags[index - 1];
  return previous !== undefined && 'BI'.includes(previous.charAt(0)) && sameType(previous, tags[index]!);
}

function sameType(a: string, b: string): boolean {
  return a.charAt(0) !== 'O' && a.slice(1) === b.slice(1);
}
