import type { Sentence } from './sentence.js';

/** What spoils training or measurement, and can be seen in the sentences. */
export type SentenceFault =
  | 'shared-sentences'
  | 'two-labellings'
  | 'no-entities'
  | 'missing-types'
  | 'unknown-types'
  | 'attached-punctuation';

/** A fault with how often it is there. */
export interface DataWarning<Kind extends string = string> {
  kind: Kind;
  /** Split that it is in, or null where it is between several. */
  split: string | null;
  count: number;
  message: string;
  /** The first places, as `file:line`. */
  places: string[];
}

/** Places that a warning names. */
const MOST_PLACES = 5;
/** Share of words with punctuation at their end above which they seem to be cut at white space alone. */
const PUNCTUATED_SHARE = 0.03;

/** Looks for what spoils training: see {@link SentenceFault}. @param splits by their names, the first one is trained on */
export function checkSentences(
  splits: Readonly<Record<string, readonly Sentence[]>>,
): DataWarning<SentenceFault>[] {
  const [train, ...others] = Object.entries(splits).map(([name, sentences]) => ({
    name,
    sentences,
    types: typesOf(sentences),
  }));
  return [
    ...sharedSentences(splits),
    ...twoLabellings(splits),
    ...[train!, ...others].flatMap(({ name, sentences, types }) => [
      ...(types.size === 0 ? [noEntities(name, sentences)] : []),
      ...attachedPunctuation(name, sentences),
    ]),
    ...others.flatMap((other) => differentTypes(train!, other)),
  ];
}

interface TypedSplit {
  name: string;
  types: ReadonlySet<string>;
}

function sharedSentences(
  splits: Readonly<Record<string, readonly Sentence[]>>,
): DataWarning<SentenceFault>[] {
  const names = Object.keys(splits);
  return names.flatMap((first, index) => {
    const known = new Set(splits[first]!.map(keyOf));
    return names.slice(index + 1).flatMap((second) => {
      const shared = splits[second]!.filter((sentence) => known.has(keyOf(sentence)));
      if (shared.length === 0) return [];
      const message = `${shared.length} sentences of ${second} stand in ${first}, too: scores on ${second} come out too high`;
      return [
        {
          kind: 'shared-sentences' as const,
          split: second,
          count: shared.length,
          message,
          places: placesOf(shared),
        },
      ];
    });
  });
}

/** Sentences whose words have other tags elsewhere: one of the two is wrong, and a model can learn neither. */
function twoLabellings(splits: Readonly<Record<string, readonly Sentence[]>>): DataWarning<SentenceFault>[] {
  const first = new Map<string, Sentence>();
  const differing: Sentence[] = [];
  for (const sentence of Object.values(splits).flat()) {
    const key = keyOf(sentence);
    const other = first.get(key);
    if (other === undefined) first.set(key, sentence);
    else if (other.tags.some((tag, index) => tag !== sentence.tags[index])) differing.push(sentence);
  }
  if (differing.length === 0) return [];
  const pairs = differing.slice(0, MOST_PLACES).map((sentence) => {
    return `${placeText(first.get(keyOf(sentence))!)} and ${placeText(sentence)}`;
  });
  const message = `${differing.length} sentences have other tags where they stand before`;
  return [{ kind: 'two-labellings', split: null, count: differing.length, message, places: pairs }];
}

function noEntities(split: string, sentences: readonly Sentence[]): DataWarning<SentenceFault> {
  const message = `${split} has no entity, every word is O: check which column or key holds the tags`;
  return {
    kind: 'no-entities',
    split,
    count: sentences.length,
    message,
    places: placesOf(sentences.slice(0, 1)),
  };
}

function differentTypes(train: TypedSplit, other: TypedSplit): DataWarning<SentenceFault>[] {
  const lacking = [...train.types].filter((type) => !other.types.has(type));
  const unknown = [...other.types].filter((type) => !train.types.has(type));
  const warning = (kind: SentenceFault, types: string[], message: string) =>
    types.length === 0 ? [] : [{ kind, split: other.name, count: types.length, message, places: [] }];
  return [
    ...warning(
      'missing-types',
      lacking,
      `${other.name} has no entity of ${lacking.sort().join(', ')}: nothing measures what is learnt of them`,
    ),
    ...warning(
      'unknown-types',
      unknown,
      `${train.name} has no entity of ${unknown.sort().join(', ')}, which ${other.name} has: they cannot be learnt`,
    ),
  ];
}

/** `Oslo.` as one word: sentences that were cut at white space alone, while text is cut at punctuation, too. */
function attachedPunctuation(split: string, sentences: readonly Sentence[]): DataWarning<SentenceFault>[] {
  let words = 0;
  const found: Sentence[] = [];
  let count = 0;
  for (const sentence of sentences) {
    words += sentence.words.length;
    const here = sentence.words.filter((word) => /\p{L}{2}[,;:!?]$|\p{Ll}{3}\.$/u.test(word)).length;
    if (here > 0) found.push(sentence);
    count += here;
  }
  if (count === 0 || count < words * PUNCTUATED_SHARE) return [];
  const message =
    `${count} of ${words} words of ${split} end in punctuation: they seem to be cut at white space alone, and text that ` +
    'is tagged later is cut otherwise';
  return [{ kind: 'attached-punctuation', split, count, message, places: placesOf(found) }];
}

function typesOf(sentences: readonly Sentence[]): Set<string> {
  const types = new Set<string>();
  for (const { tags } of sentences) for (const tag of tags) if (tag !== 'O') types.add(tag.slice(2));
  return types;
}

function keyOf({ words }: Sentence): string {
  return JSON.stringify(words);
}

function placesOf(sentences: readonly Sentence[]): string[] {
  return sentences.slice(0, MOST_PLACES).map(placeText);
}

function placeText({ file = '', line }: Sentence): string {
  return `${file}:${line}`;
}
