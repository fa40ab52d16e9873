import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import type { Sentence } from './sentence.js';

/** Distinct tags of the sentences, sorted by code point; the index is the label id. */
export function labelSet(sentences: Iterable<Pick<Sentence, 'tags'>>): string[] {
  const tags = new Set<string>();
  for (const sentence of sentences) for (const tag of sentence.tags) tags.add(tag);
  return [...tags].sort(byCodePoint);
}

/** Tags with their ids, as a model's head has them. */
export class LabelSet {
  readonly labels: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * @param labels tag of each label id, in order.
   * @throws INVALID_OPTION where there is none, one comes twice, or one is not a non-empty string.
   */
  constructor(labels: readonly string[]) {
    const ids = new Map<string, number>();
    for (const [id, tag] of labels.entries()) {
      if (typeof tag !== 'string' || tag === '') {
        throw invalid(`label ${id}: expected a non-empty string, got ${JSON.stringify(tag)}`, {
          id,
          got: tag,
        });
      }
      const first = ids.get(tag);
      if (first !== undefined) {
        throw invalid(`${JSON.stringify(tag)} is label ${first} and label ${id}. Name each tag once`, {
          tag,
          ids: [first, id],
        });
      }
      ids.set(tag, id);
    }
    if (ids.size === 0) throw invalid('expected at least one label, got none', {});
    this.labels = [...labels];
    this.#ids = ids;
  }

  /** Label id of a tag; undefined for a tag that is not in the set. */
  id(tag: string): number | undefined {
    return this.#ids.get(tag);
  }

  /**
   * Label id of a tag that must be there.
   *
   * @param where the tag's place for the message, such as `train.txt:12`.
   * @throws LABEL_MISMATCH naming the labels that there are.
   */
  requireId(tag: string, where?: string): number {
    const id = this.#ids.get(tag);
    if (id !== undefined) return id;
    const meant = didYouMean(tag, this.labels);
    throw new PermafrostError(
      'LABEL_MISMATCH',
      `${where ? `${where}: ` : ''}tag ${JSON.stringify(tag)} is not among the model's ${this.labels.length} labels: ` +
        `${this.labels.join(', ')}.${meant ? ` Did you mean ${JSON.stringify(meant)}?` : ''} ` +
        'Correct the tag, or take a model that has a label for it. A model has those of its `labels`: give it the label ' +
        'set of all splits. `map` makes a type another one, or none. An evaluation counts its entities as missed where ' +
        "`unknownTypes` is 'miss'.",
      { tag, labels: this.labels, ...(where !== undefined && { where }) },
    );
  }

  /**
   * Tag of a label id.
   *
   * @throws INVALID_OPTION for an id outside of the set.
   */
  tag(id: number): string {
    const tag = this.labels[id];
    if (tag === undefined) {
      throw invalid(`expected a label id from 0 to ${this.labels.length - 1}, got ${id}`, { got: id });
    }
    return tag;
  }
}

/** Strings compare by UTF-16 units, which puts U+10000 and above before U+E000. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return rankOf(left) - rankOf(right);
  }
  return a.length - b.length;
}

/** A unit's rank by code points: those of surrogate pairs come last. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function invalid(message: string, details: Record<string, unknown>): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `labels: ${message}.`, { option: 'labels', ...details });
}
