import type { Random } from '../../io/random.js';
import { Grammar, mergeRules, type Rules } from './grammar.js';
import { kazakhEntities } from './kazakh-entities.js';
import { KAZAKH_COMMON_NAMES, kazakhParts, kazakhWords } from './kazakh-lexicon.js';
import { inflectKazakh } from './kazakh-morphology.js';
import { kazakhSentences } from './kazakh-sentences.js';
import { fixedNames, mixNames, NameBook } from './names.js';

/** The Kazakh-like language: news sentences with the 25 entity types of KazNERD. */
export function kazakhGrammar(): Grammar {
  const rules = mergeRules(kazakhWords, numberRules(), nameRules(), kazakhEntities, kazakhSentences);
  return new Grammar(rules, inflectKazakh);
}

function numberRules(): Rules {
  return {
    number: ({ random }) => formatNumber(random),
    smallDigits: ({ random }) => String(2 + random.int(60)),
    hour: ({ random }) => `${random.int(24)}:${pad2(5 * random.int(12))}`,
    hourDigits: ({ random }) => String(1 + random.int(23)),
    year: ({ random }) => String(1950 + random.int(75)),
    day: ({ random }) => String(1 + random.int(30)),
    decimal: ({ random }) => `${random.int(99)},${random.int(10)}`,
    ordinalDigits: ({ random }) => formatOrdinal(1 + random.int(60)),
    phone: ({ random }) => Array.from({ length: 3 }, () => String(100 + random.int(900))),
    model: ({ random }) => `${random.pick(['x', 's', 'a', 'k', 'т'])}${1 + random.int(99)}`,
    site: ({ random }) =>
      `www.${random.pick(['aq', 'nur', 'dala', 'kala', 'bilim', 'qor'])}${random.int(90)}.kz`,
  };
}

/** Which forms each kind of name takes; the same forms serve people, places and firms. */
function nameRules(): Rules {
  const givenBook = new NameBook('kk/given', kazakhParts.given, 80);
  const surnameBook = new NameBook('kk/surname', kazakhParts.surname, 80);
  const placeBook = new NameBook('kk/place', kazakhParts.place, 80);
  const firmBook = new NameBook('kk/firm', kazakhParts.firm, 40);
  const countryBook = new NameBook('kk/country', kazakhParts.country, 30);
  const common = fixedNames(KAZAKH_COMMON_NAMES);
  const given = mixNames([80, givenBook], [14, common], [6, placeBook]);
  const city = mixNames([74, placeBook], [15, givenBook], [11, common]);
  const firm = mixNames([54, firmBook], [14, givenBook], [12, placeBook], [20, common]);
  const title = mixNames([45, common], [30, givenBook], [25, placeBook]);
  return {
    givenName: (draw) => given.draw(draw),
    surname: (draw) => surnameBook.draw(draw),
    cityName: (draw) => city.draw(draw),
    countryName: (draw) => countryBook.draw(draw),
    firmName: (draw) => firm.draw(draw),
    titleName: (draw) => title.draw(draw),
  };
}

function formatNumber(random: Random): string | string[] {
  const kind = random.int(4);
  if (kind === 0) return String(2 + random.int(8));
  if (kind === 1) return String(10 + random.int(90));
  if (kind === 2) return String(100 + random.int(900));
  return [String(1 + random.int(99)), String(random.int(1000)).padStart(3, '0')];
}

/** A number with its ordinal ending: 3 is read үш and takes -ші, 6 is read алты and takes -шы. */
function formatOrdinal(value: number): string {
  const backDigits = [6, 9];
  const backTens = [1, 3, 4, 6];
  const isBack = value % 10 === 0 ? backTens.includes(value / 10) : backDigits.includes(value % 10);
  return `${value}-${isBack ? 'шы' : 'ші'}`;
}

function pad2(value: number): string {
  return String(value).padStart(2, '0');
}
