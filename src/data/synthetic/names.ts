import { Random } from '../../io/random.js';
import type { Draw } from './grammar.js';

/** Word parts of made-up names, each list separated by white space. */
export interface NameParts {
  onsets: string;
  middles: string;
  endings: string;
}

/** A source of single-word names: some known, any number made up. */
export interface NameSource {
  draw(draw: Draw): string;
}

/** Known names fall in frequency, so that many occur once or never in a corpus. */
const KNOWN_RANK_OFFSET = 12;

/**
 * Names of one kind, built from onsets, middles and endings.
 *
 * The known names belong to the language and do not depend on a corpus seed. Names made up on demand are
 * split in two sides by their hash; text that is not held out never sees those of the held-out side.
 */
export class NameBook implements NameSource {
  readonly known: readonly string[];
  readonly #weights: readonly number[];
  readonly #knownSet: ReadonlySet<string>;
  readonly #onsets: readonly string[];
  readonly #middles: readonly string[];
  readonly #endings: readonly string[];

  constructor(name: string, parts: NameParts, numKnown: number) {
    this.#onsets = parts.onsets.trim().split(/\s+/);
    // "-" is the empty middle.
    this.#middles = parts.middles
      .trim()
      .split(/\s+/)
      .map((part) => (part === '-' ? '' : part));
    this.#endings = parts.endings.trim().split(/\s+/);
    const random = new Random(0, `names/${name}`);
    const known = new Set<string>();
    // Known names are of the first side as well, so that no known name is new to a held-out text.
    while (known.size < numKnown) known.add(this.#makeOnSide(random, false));
    this.known = [...known];
    this.#knownSet = known;
    this.#weights = this.known.map((_, rank) => 1 / (rank + KNOWN_RANK_OFFSET));
  }

  draw({ random, novelty, heldOut }: Draw): string {
    if (random.next() >= novelty) return random.weighted(this.known, this.#weights);
    for (;;) {
      const made = this.#makeOnSide(random, heldOut);
      if (!this.#knownSet.has(made)) return made;
    }
  }

  #makeOnSide(random: Random, heldOut: boolean): string {
    for (;;) {
      const made = random.pick(this.#onsets) + random.pick(this.#middles) + random.pick(this.#endings);
      if (isHeldOutName(made) === heldOut) return made;
    }
  }
}

/** Whether a made-up name belongs to the held-out side; half of all names do. */
export function isHeldOutName(name: string): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return ((hash ^ (hash >>> 15)) & 1) === 1;
}

/** A fixed list of words that also serve as names, and are never new. */
export function fixedNames(words: string): NameSource {
  const list = words.trim().split(/\s+/);
  return { draw: ({ random }) => random.pick(list) };
}

/**
 * Mixes sources by weight: one kind of name then takes forms that are typical of another kind, and only the
 * context tells a surname from a town.
 */
export function mixNames(...parts: readonly (readonly [weight: number, source: NameSource])[]): NameSource {
  const weights = parts.map(([weight]) => weight);
  const sources = parts.map(([, source]) => source);
  return { draw: (draw) => draw.random.weighted(sources, weights).draw(draw) };
}
