import { PermafrostError } from '../errors/error.js';
import type { Sentence } from './sentence.js';

/** Entity types by what they become; `O` takes them away, and `*` stands for every type that the map does not name. */
export type TypeMap = Readonly<Record<string, string>>;

const OUTSIDE = 'O';
const OTHERS = '*';

/**
 * Reads mappings such as `GPE=LOC`, `MISC=O` and `*=O`.
 *
 * @throws INVALID_OPTION where one has another form, or a type is mapped twice.
 */
export function parseTypeMap(mappings: readonly string[]): TypeMap {
  const map: Record<string, string> = {};
  for (const mapping of mappings) {
    const [from = '', to = '', ...more] = mapping.split('=').map((part) => part.trim());
    if (from === '' || to === '' || more.length > 0) {
      throw invalid(
        `expected TYPE=TYPE such as GPE=LOC, or MISC=O for a type that is left out, got "${mapping}".`,
        { got: mapping },
      );
    }
    if (Object.hasOwn(map, from) && map[from] !== to) {
      throw invalid(`${from} is mapped to ${map[from]} and to ${to}. Map each type once.`, { got: mapping });
    }
    map[from] = to;
  }
  return map;
}

/**
 * Sentences with their entity types mapped, all at once: `A=B` and `B=A` change places.
 *
 * @param sets lists of sentences that stay apart, such as splits; what a map names must be in one of them.
 * @returns as many lists; sentences in which nothing changes are the same objects.
 * @throws INVALID_OPTION naming a type that no sentence has.
 */
export function mapTypes(sets: readonly (readonly Sentence[])[], map: TypeMap): Sentence[][] {
  const tags = new Set(sets.flat().flatMap((sentence) => sentence.tags));
  const types = new Set([...tags].filter((tag) => tag !== OUTSIDE).map(typeOf));
  for (const from of Object.keys(map)) {
    if (from === OTHERS || types.has(from)) continue;
    const known = [...types].sort();
    throw invalid(`no sentence has an entity of type ${from}. The types are ${known.join(', ')}.`, {
      got: from,
      expected: known,
    });
  }
  const named = new Set(Object.entries(map).flat());
  const targetOf = (type: string) =>
    Object.hasOwn(map, type) ? map[type] : named.has(type) ? type : map[OTHERS];
  const mapped = new Map([...tags].map((tag) => [tag, mapTag(tag, targetOf)]));
  return sets.map((sentences) =>
    sentences.map((sentence) => {
      const changed = sentence.tags.map((tag) => mapped.get(tag)!);
      return changed.every((tag, word) => tag === sentence.tags[word])
        ? sentence
        : { ...sentence, tags: changed };
    }),
  );
}

function mapTag(tag: string, targetOf: (type: string) => string | undefined): string {
  if (tag === OUTSIDE) return tag;
  const target = targetOf(typeOf(tag));
  if (target === undefined) return tag;
  return target === OUTSIDE ? OUTSIDE : `${tag.slice(0, 2)}${target}`;
}

/** `PER` of `B-PER`. */
function typeOf(tag: string): string {
  return tag.slice(2);
}

function invalid(message: string, details: Record<string, unknown>): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `\`map\`: ${message}`, { option: 'map', ...details });
}
