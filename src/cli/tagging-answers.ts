import { placesOf, textOf } from '../data/place.js';
import type { Sentence } from '../data/sentence.js';
import { sourceOf } from '../evaluation/predictions.js';
import type { Entity } from '../inference/entity.js';
import type { TaggedWords } from '../inference/tag-words.js';
import { writeStreamAtomic } from '../io/atomic-write.js';
import type { CommandContext } from './context.js';

/** Words that a note names. */
const NAMED_WORDS = 3;
/** Characters of a word that a note shows. */
const SHOWN_CHARACTERS = 20;
/** Characters that go to a file together. */
const CHARACTERS_A_CHUNK = 1 << 16;

/** What is said of one text or sentence. */
export interface Answer {
  /** One line of `--json`. */
  json: object;
  /** The same for people: lines, without the last one's end. */
  text: string;
  /** What standard error says. */
  notes?: string[];
}

/** The entities of a text that has no other place than its own. */
export function entitiesAnswer(text: string, entities: readonly Entity[]): Answer {
  return { json: { type: 'entities', text, entities }, text: entityRows(text, entities) };
}

/** The tags of the words of a line of text. */
export function tagsAnswer(
  text: string,
  words: readonly string[],
  tagged: TaggedWords,
  line: number,
): Answer {
  const { tags, scores, alternatives } = tagged;
  const notes = notesOf(words, tagged);
  return {
    json: {
      type: 'prediction',
      text,
      words,
      tags,
      ...(scores && { scores }),
      ...(alternatives && { alternatives }),
      ...(notes.length > 0 && { notes }),
    },
    text: tagRows(words, tagged),
    notes: spokenNotes(`line ${line}`, words, notes),
  };
}

/** What is found in a sentence of a file, by the file's own offsets. */
export function sentenceAnswer(sentence: Sentence, tagged: TaggedWords, form: 'tags' | 'entities'): Answer {
  const { words } = sentence;
  const { tags, scores, alternatives } = tagged;
  const { text } = textOf(sentence);
  const entities = placesOf(sentence, tagged.entities!).map(({ start, end, text }, index) => {
    const { type, score } = tagged.entities![index]!;
    return { type, start, end, text, score };
  });
  const source = sourceOf(sentence);
  const notes = notesOf(words, tagged);
  const isTold = scores !== undefined || alternatives !== undefined;
  return {
    json: {
      source,
      text,
      entities,
      ...(isTold && { words, tags }),
      ...(scores && { scores }),
      ...(alternatives && { alternatives }),
      ...(notes.length > 0 && { notes }),
    },
    text: form === 'tags' ? tagRows(words, tagged) : entityRows(text, entities),
    notes: spokenNotes(source, words, notes),
  };
}

/** Gives answers as they come: to standard output, or to a file that is replaced as a whole. */
export async function writeAnswers(
  answers: AsyncIterable<Answer>,
  file: string | undefined,
  { output }: CommandContext,
): Promise<void> {
  const spoken = async function* () {
    for await (const answer of answers) {
      yield answer;
      for (const note of answer.notes ?? []) output.note(note);
    }
  };
  if (file === undefined) {
    for await (const { json, text } of spoken()) {
      output.print(text);
      output.json(json);
    }
    return;
  }
  let count = 0;
  const chunks = async function* () {
    let chunk = '';
    for await (const { json, text } of spoken()) {
      count++;
      chunk += `${output.mode === 'json' ? JSON.stringify(json) : text}\n`;
      if (chunk.length < CHARACTERS_A_CHUNK) continue;
      yield Buffer.from(chunk, 'utf8');
      chunk = '';
    }
    yield Buffer.from(chunk, 'utf8');
  };
  await writeStreamAtomic(file, chunks());
  output.print(`${file}: ${count} answers`);
  output.json({ type: 'written', file, answers: count });
}

/** A word a line, ended by a blank line, so that a line without any is a blank line, too. */
function tagRows(words: readonly string[], { tags, scores, alternatives }: TaggedWords): string {
  const score = (value: number | null | undefined) => (value == null ? '-' : value.toFixed(4));
  return words
    .map((word, at) => {
      const others = alternatives?.[at]?.map((other) => `${other.tag}=${score(other.score)}`).join(' ');
      const columns = [
        word,
        tags[at],
        ...(scores ? [score(scores[at])] : []),
        ...(alternatives ? [others] : []),
      ];
      return `${columns.join('\t')}\n`;
    })
    .join('');
}

function entityRows(text: string, entities: readonly Entity[]): string {
  const rows = entities.map((entity) =>
    [entity.type, entity.score.toFixed(4), entity.start, entity.end, entity.text].join('\t'),
  );
  return `${[text, ...rows].join('\n')}\n`;
}

interface WordNote {
  word: number;
  note: string;
}

/** What a tag does not tell: which words the model did not see as they are. */
function notesOf(words: readonly string[], { empty, cut }: TaggedWords): WordNote[] {
  return [
    ...empty.map((word) => ({ word, note: 'the tokenizer leaves nothing of it, so its tag is O' })),
    ...cut.map((word) => ({
      word,
      note: `of its ${words[word]!.length} characters the model saw the first ones, which give its tag`,
    })),
  ].sort((a, b) => a.word - b.word);
}

function spokenNotes(where: string, words: readonly string[], notes: readonly WordNote[]): string[] {
  const named = notes
    .slice(0, NAMED_WORDS)
    .map(({ word, note }) => `${where}, word ${word + 1} (${shown(words[word]!)}): ${note}`);
  const others = notes.length - named.length;
  return others > 0 ? [...named, `${where}: the same of ${others} more words`] : named;
}

function shown(word: string): string {
  const characters = Array.from(word);
  const cut = characters.length > SHOWN_CHARACTERS;
  return JSON.stringify(cut ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : word);
}
