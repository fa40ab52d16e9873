/** Numbers by chance that a seed decides: mulberry32 over a hash of the seed's parts (FNV-1a). */
export class Random {
  #state;

  constructor(...seed) {
    let hash = 2166136261;
    for (const character of seed.join('/')) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
    this.#state = hash >>> 0;
    for (let i = 0; i < 4; i++) this.uint32();
  }

  uint32() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0, below `end`. */
  below(end) {
    return Math.floor((this.uint32() / 2 ** 32) * end);
  }

  /** True once in `times`. */
  once(times) {
    return this.below(times) === 0;
  }

  pick(items) {
    return items[this.below(items.length)];
  }

  /** A length: mostly short, now and then up to `most`. */
  length(most) {
    return this.below(1 + 2 ** this.below(1 + Math.ceil(Math.log2(most))));
  }
}
