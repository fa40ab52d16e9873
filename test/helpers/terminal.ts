import { Writable } from 'node:stream';

/**
 * A terminal of so many columns that understands what a line that is drawn again and again needs: carriage return, line
 * feed, cursor up, erase to the end of screen and of line, and styles, which it leaves out.
 */
export class Terminal extends Writable {
  readonly isTTY = true;
  /** Everything that was written. */
  written = '';
  #rows: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(public columns: number) {
    super({ decodeStrings: false });
  }

  override _write(chunk: string, _: string, done: () => void): void {
    this.written += chunk;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
    for (const part of chunk.match(/\u001b\[\d*[A-Za-z]|[\s\S]/g) ?? []) this.#put(part);
    done();
  }

  /** What a person sees, trailing blanks aside. */
  get screen(): string[] {
    return this.#rows.map((row) => row.trimEnd());
  }

  /** Changes the width, and wraps lines as terminals do. */
  resize(columns: number): void {
    this.columns = columns;
    const wrapped = this.#rows.map((row) => row.match(new RegExp(`.{1,${columns}}`, 'g')) ?? ['']);
    this.#row = wrapped.slice(0, this.#row + 1).flat().length - 1;
    this.#rows = wrapped.flat();
    this.#column = this.#rows[this.#row]!.length;
    this.emit('resize');
  }

  #put(part: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
    const code = /^\u001b\[(\d*)([A-Za-z])$/.exec(part);
    if (part === '\r') this.#column = 0;
    else if (part === '\n') [this.#row, this.#column] = [this.#row + 1, 0];
    else if (code?.[2] === 'A') this.#row = Math.max(0, this.#row - Number(code[1] || 1));
    else if (code?.[2] === 'J') {
      this.#rows[this.#row] = this.#rows[this.#row]!.slice(0, this.#column);
      this.#rows.length = this.#row + 1;
    } else if (code?.[2] === 'm') return;
    else if (code !== null) throw new Error(`the terminal does not know ${JSON.stringify(part)}`);
    else this.#character(part);
    this.#rows[this.#row] ??= '';
  }

  #character(character: string): void {
    if (this.#column >= this.columns) {
      [this.#row, this.#column] = [this.#row + 1, 0];
      this.#rows[this.#row] ??= '';
    }
    const row = this.#rows[this.#row]!.padEnd(this.#column);
    this.#rows[this.#row] = row.slice(0, this.#column) + character + row.slice(this.#column + 1);
    this.#column++;
  }
}
