import type { Writable } from 'node:stream';

/** A terminal, or what stands for one. */
export interface TerminalStream extends Writable {
  isTTY?: boolean;
  columns?: number;
}

/** Makes the text of the line for a width: no longer than that, and without control characters. */
export type DrawStatus = (columns: number) => string;

/** Where a terminal does not tell its width. */
const COLUMNS = 80;
/** Between two drawings, ms: what comes faster nobody can read. */
const DRAW_INTERVAL_MS = 80;

const START_OF_LINE = '\r';
const ERASE_BELOW = '\u001b[J';
const up = (rows: number) => (rows > 0 ? `\u001b[${rows}A` : '');

/**
 * The last line of a terminal, drawn again and again, above which other lines go by.
 *
 * It is drawn anew where the terminal changes its width, and what an earlier drawing left wrapped is removed.
 */
export class StatusLine {
  readonly #stream: TerminalStream;
  #draw: DrawStatus | null = null;
  /** Characters on the terminal. */
  #shown = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #later: NodeJS.Timeout | null = null;
  readonly #onResize = () => this.#redraw();

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  get columns(): number {
    return this.#stream.columns || COLUMNS;
  }

  /** Shows a line in the place of the last one; null removes it. */
  show(draw: DrawStatus | null): void {
    if (this.#draw === null && draw !== null) this.#stream.on('resize', this.#onResize);
    if (this.#draw !== null && draw === null) this.#stream.off('resize', this.#onResize);
    this.#draw = draw;
    const wait = draw === null ? 0 : this.#drawnAt + DRAW_INTERVAL_MS - performance.now();
    if (wait <= 0) this.#redraw();
    else this.#later ??= setTimeout(() => this.#redraw(), wait).unref();
  }

  /** Lets something be written where the line stands, which is then drawn below it. */
  above(write: () => void): void {
    if (this.#shown > 0) this.#stream.write(this.#erased());
    this.#shown = 0;
    write();
    if (this.#draw !== null) this.#redraw();
  }

  #redraw(): void {
    if (this.#later !== null) clearTimeout(this.#later);
    this.#later = null;
    this.#drawnAt = performance.now();
    // The last column stays free: some terminals wrap when it is written to.
    const text = this.#draw?.(this.columns - 1) ?? '';
    if (text === '' && this.#shown === 0) return;
    this.#stream.write(`${this.#shown > 0 ? this.#erased() : START_OF_LINE}${text}`);
    this.#shown = text.length;
  }

  /** What removes the line, also where the terminal has become narrower since and wrapped it. */
  #erased(): string {
    return `${up(Math.ceil(this.#shown / this.columns) - 1)}${START_OF_LINE}${ERASE_BELOW}`;
  }
}
