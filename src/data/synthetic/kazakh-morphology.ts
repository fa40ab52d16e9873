/**
 * Endings of Kazakh words: vowel harmony, assimilation of the first consonant, voicing of the stem.
 *
 * Endings are written by name (`+PL+LOC`); a possessive changes the case endings behind it.
 */

export const KAZAKH_ENDINGS = [
  'PL', // many: -лар
  'POSS1', // my: -ым
  'POSS1PL', // our: -ымыз
  'POSS', // his, her, its, their: -ы, -сы
  'GEN', // of: -ның
  'ACC', // object: -ны
  'DAT', // to: -ға
  'LOC', // in, at: -да
  'ABL', // from: -дан
  'INS', // with: -мен
  'ADJ', // the one in: -дағы
  'REL', // of that place or kind: -лық
  'AGENT', // who works with it: -шы
  'LANG', // in that language, in that manner: -ша
  'ORD', // ordinal: -ыншы
] as const;

export type KazakhEnding = (typeof KAZAKH_ENDINGS)[number];

const BACK_VOWELS = 'аоұыяёю';
const FRONT_VOWELS = 'әөүіеэи';
const VOWELS = `${BACK_VOWELS}${FRONT_VOWELS}`;
/** Makes the endings front and is silent otherwise: фестиваль, фестивальге, фестивалі. */
const SOFT_SIGN = 'ь';
const NASALS = 'мнң';
/** Consonants behind which an ending begins with т, п or қ: voiceless ones, and б, в, г, д. */
const HARD = 'пткқсшщфхцчһбвгд';
const VOICED_STEM: Readonly<Record<string, string>> = { қ: 'ғ', к: 'г', п: 'б' };

/** What the choice of an ending's form depends on. */
type Sound = 'vowel' | 'glide' | 'liquid' | 'nasal' | 'buzz' | 'hard';

/** Forms of the endings that only depend on the stem's last sound; `A` is а or е, `Y` is ы or і. */
const FORMS: Readonly<
  Record<'PL' | 'GEN' | 'ACC' | 'DAT' | 'LOC' | 'ABL' | 'INS' | 'REL', Record<Sound, string>>
> = {
  PL: { vowel: 'лAр', glide: 'лAр', liquid: 'дAр', nasal: 'дAр', buzz: 'дAр', hard: 'тAр' },
  GEN: { vowel: 'нYң', glide: 'дYң', liquid: 'дYң', nasal: 'нYң', buzz: 'дYң', hard: 'тYң' },
  ACC: { vowel: 'нY', glide: 'дY', liquid: 'дY', nasal: 'дY', buzz: 'дY', hard: 'тY' },
  DAT: { vowel: 'ғA', glide: 'ғA', liquid: 'ғA', nasal: 'ғA', buzz: 'ғA', hard: 'қA' },
  LOC: { vowel: 'дA', glide: 'дA', liquid: 'дA', nasal: 'дA', buzz: 'дA', hard: 'тA' },
  ABL: { vowel: 'дAн', glide: 'дAн', liquid: 'дAн', nasal: 'нAн', buzz: 'дAн', hard: 'тAн' },
  INS: { vowel: 'мен', glide: 'мен', liquid: 'мен', nasal: 'мен', buzz: 'бен', hard: 'пен' },
  REL: { vowel: 'лYқ', glide: 'лYқ', liquid: 'дYқ', nasal: 'дYқ', buzz: 'дYқ', hard: 'тYқ' },
};

/** Case endings behind a possessive of the third person. */
const AFTER_POSSESSIVE: Readonly<Record<string, string>> = {
  GEN: 'нYң',
  ACC: 'н',
  DAT: 'нA',
  LOC: 'ндA',
  ABL: 'нAн',
  INS: 'мен',
  ADJ: 'ндAғY',
};

/**
 * Attaches endings to a word in order: `inflectKazakh('қала', ['PL', 'LOC'])` is `қалаларда`.
 *
 * @throws Error on an unknown ending: a defect of the grammar.
 */
export function inflectKazakh(word: string, endings: readonly string[]): string {
  let form = word;
  let previous = '';
  for (const ending of endings) {
    form = attach(form, ending, previous);
    previous = ending;
  }
  return form;
}

/** Whether the endings of this word take back vowels (а, ы) and not front ones (е, і). */
export function hasBackHarmony(word: string): boolean {
  for (let i = word.length - 1; i >= 0; i--) {
    if (BACK_VOWELS.includes(word[i]!)) return true;
    if (FRONT_VOWELS.includes(word[i]!) || word[i] === SOFT_SIGN) return false;
  }
  return true;
}

function attach(stem: string, ending: string, previous: string): string {
  const last = lastSound(stem);
  const afterPossessive = previous === 'POSS' ? AFTER_POSSESSIVE[ending] : undefined;
  if (afterPossessive !== undefined) return stem + harmonise(afterPossessive, stem);
  if (ending in FORMS) return stem + harmonise(FORMS[ending as keyof typeof FORMS][soundOf(last)], stem);
  const endsInVowel = VOWELS.includes(last);
  switch (ending) {
    case 'POSS':
      return endsInVowel ? stem + harmonise('сY', stem) : openStem(stem) + harmonise('Y', stem);
    case 'POSS1':
      return endsInVowel ? `${stem}м` : openStem(stem) + harmonise('Yм', stem);
    case 'POSS1PL':
      return endsInVowel ? stem + harmonise('мYз', stem) : openStem(stem) + harmonise('YмYз', stem);
    case 'ADJ':
      return stem + harmonise(`${FORMS.LOC[soundOf(last)]}ғY`, stem);
    case 'AGENT':
      return stem + harmonise('шY', stem);
    case 'LANG':
      return stem + harmonise('шA', stem);
    case 'ORD':
      return stem + harmonise(endsInVowel ? 'ншY' : 'YншY', stem);
    default:
      throw new Error(`unknown ending "${ending}" of "${stem}"`);
  }
}

/** Writes an ending with the vowels and the velar consonants (қ, ғ or к, г) of the stem's harmony. */
function harmonise(form: string, stem: string): string {
  if (hasBackHarmony(stem)) return form.replaceAll('A', 'а').replaceAll('Y', 'ы');
  return form.replaceAll('A', 'е').replaceAll('Y', 'і').replaceAll('қ', 'к').replaceAll('ғ', 'г');
}

/** The stem as it stands before an ending that begins with a vowel: жүрек gives жүрег-. */
function openStem(stem: string): string {
  const last = stem.at(-1) ?? '';
  return stem.slice(0, -1) + (last === SOFT_SIGN ? '' : (VOICED_STEM[last] ?? last));
}

function lastSound(stem: string): string {
  return (stem.endsWith(SOFT_SIGN) ? stem.at(-2) : stem.at(-1)) ?? '';
}

function soundOf(last: string): Sound {
  if (VOWELS.includes(last)) return 'vowel';
  if ('рйу'.includes(last)) return 'glide';
  if (last === 'л') return 'liquid';
  if (NASALS.includes(last)) return 'nasal';
  return HARD.includes(last) ? 'hard' : 'buzz';
}
