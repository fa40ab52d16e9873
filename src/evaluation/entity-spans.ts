/** An entity of a sentence, in words. */
export interface EntitySpan {
  type: string;
  /** Index of its first word. */
  start: number;
  /** Index after its last word. */
  end: number;
}

export interface SpanOptions {
  /**
   * `true` reads IOB2 to the letter (seqeval's `mode="strict", scheme=IOB2`): only `B-x` followed by `I-x` makes an
   * entity. `false` reads as seqeval's default and conlleval do: an `I-x` that nothing precedes begins an entity, too.
   * @default false
   */
  strict?: boolean;
}

interface TagParts {
  prefix: string;
  type: string;
}

/**
 * Finds the entities of one sentence's tags.
 *
 * In strict mode a tag that is neither `B-`, `I-` nor `O` counts as outside, where seqeval raises an exception.
 *
 * @returns spans in order; their ends ascend strictly.
 */
export function entitySpans(tags: readonly string[], options: SpanOptions = {}): EntitySpan[] {
  return spanReader(options)(tags);
}

/** As {@link entitySpans}, taking each distinct tag apart only once over all sentences. */
export function spanReader({ strict = false }: SpanOptions): (tags: readonly string[]) => EntitySpan[] {
  const known = new Map<string, TagParts>();
  const split = strict ? splitStrict : splitDefault;
  const read = strict ? strictSpans : defaultSpans;
  const partsOf = (tag: string): TagParts => {
    let parts = known.get(tag);
    if (parts === undefined) {
      parts = split(tag);
      known.set(tag, parts);
    }
    return parts;
  };
  return (tags) => read(tags, partsOf);
}

/** Seqeval's default mode: first letter, then what follows the first hyphen after it. */
function splitDefault(tag: string): TagParts {
  const rest = tag.slice(1);
  return { prefix: tag.slice(0, 1), type: rest.slice(rest.indexOf('-') + 1) || '_' };
}

/** Seqeval's strict mode: first letter, then the rest without hyphens around it. */
function splitStrict(tag: string): TagParts {
  return { prefix: tag.slice(0, 1), type: tag.slice(1).replace(/^-+|-+$/g, '') || '_' };
}

function strictSpans(tags: readonly string[], partsOf: (tag: string) => TagParts): EntitySpan[] {
  const spans: EntitySpan[] = [];
  let open: EntitySpan | null = null;
  for (let word = 0; word < tags.length; word++) {
    const { prefix, type } = partsOf(tags[word]!);
    if (prefix === 'B') {
      open = { type, start: word, end: word + 1 };
      spans.push(open);
    } else if (prefix === 'I' && open !== null && open.type === type) {
      open.end = word + 1;
    } else {
      open = null;
    }
  }
  return spans;
}

const NOTHING: TagParts = { prefix: 'O', type: '_' };

function defaultSpans(tags: readonly string[], partsOf: (tag: string) => TagParts): EntitySpan[] {
  const spans: EntitySpan[] = [];
  let previous = NOTHING;
  let start = 0;
  for (let word = 0; word <= tags.length; word++) {
    const current = word < tags.length ? partsOf(tags[word]!) : NOTHING;
    if (endsBetween(previous, current)) spans.push({ type: previous.type, start, end: word });
    if (startsBetween(previous, current)) start = word;
    previous = current;
  }
  return spans;
}

/** conlleval's rules; a dot is outside as O is, as old CoNLL files have it. */
function isOutside({ prefix }: TagParts): boolean {
  return prefix === 'O' || prefix === '.';
}

function endsBetween(previous: TagParts, current: TagParts): boolean {
  switch (previous.prefix) {
    case 'E':
    case 'S':
      return true;
    case 'B':
    case 'I':
      if (current.prefix === 'B' || current.prefix === 'S' || current.prefix === 'O') return true;
  }
  return !isOutside(previous) && previous.type !== current.type;
}

function startsBetween(previous: TagParts, current: TagParts): boolean {
  if (current.prefix === 'B' || current.prefix === 'S') return true;
  if (current.prefix === 'E' || current.prefix === 'I') {
    if (previous.prefix === 'E' || previous.prefix === 'S' || previous.prefix === 'O') return true;
  }
  return !isOutside(current) && previous.type !== current.type;
}
