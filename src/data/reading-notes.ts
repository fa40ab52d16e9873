/** What was changed or left out where a file could not be taken word for word. */
export const NOTE_KINDS = {
  widened: 'spans that begin or end inside a word were widened to it',
  overlapping: 'spans that overlap a longer one were left out',
  nested: 'entities of other layers, or within others, were left out (nested chooses which are kept)',
  empty: 'spans without a word were left out',
  wordless: 'texts without a word were left out',
  differing: 'spans stand at another text than the file says',
  renamed: 'types with white space were written with _',
  parted: 'spans of several parts were read from their first to their last',
  unanswered: 'records that are not annotated, or were rejected, were left out',
  repeated: "records have several annotators' answers, of which the first was read",
} as const;

/** What was done: a name of {@link NOTE_KINDS}. */
export type NoteKind = keyof typeof NOTE_KINDS;

/** A place where something was changed or left out. */
export interface ReadingNote {
  kind: NoteKind;
  file: string;
  line: number;
  /** What stands there. */
  what: string;
}

/** Places that are kept; counts go on. */
const MOST_PLACES = 1000;

/** Gathers what readers change or leave out, so that nothing is dropped in silence. */
export class ReadingNotes {
  readonly counts: Partial<Record<NoteKind, number>> = {};
  /** The first thousand places. */
  readonly places: ReadingNote[] = [];

  add(kind: NoteKind, { file, line }: Pick<ReadingNote, 'file' | 'line'>, what: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (this.places.length < MOST_PLACES) this.places.push({ kind, file, line, what });
  }

  get isEmpty(): boolean {
    return this.places.length === 0;
  }

  /** @param shown places that are named of each kind. @returns a line for each kind that there is, for people. */
  lines(shown = 3): string[] {
    return Object.entries(this.counts).map(([kind, count]) => {
      const places = this.places.filter((note) => note.kind === kind).slice(0, shown);
      const named = places.map(({ file, line, what }) => `${file}:${line} ${what}`).join('; ');
      return `${count} ${NOTE_KINDS[kind as NoteKind]}: ${named}${count > places.length ? '; …' : ''}`;
    });
  }
}
