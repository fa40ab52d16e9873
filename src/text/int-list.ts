/** Whole numbers in a typed array that grows as needed. */
export class IntList {
  #data = new Int32Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const grown = new Int32Array(Math.ceil(this.#length * 1.5));
      grown.set(this.#data);
      this.#data = grown;
    }
    this.#data[this.#length++] = value;
  }

  toArray(): Int32Array {
    return this.#data.slice(0, this.#length);
  }
}
