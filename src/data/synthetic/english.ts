import type { Random } from '../../io/random.js';
import { COMMON_NAMES, englishParts, englishWords } from './english-lexicon.js';
import { englishSentences } from './english-sentences.js';
import { type Draw, Grammar, mergeRules, type Rules } from './grammar.js';
import { fixedNames, mixNames, NameBook } from './names.js';

const DEMONYM_ENDINGS = [
  ['ia', 'ian'],
  ['land', 'lish'],
  ['stan', 'stani'],
  ['ova', 'ovan'],
  ['ar', 'arese'],
] as const;

/** The English-like language: news prose, results and datelines with PER, LOC, ORG and MISC. */
export function englishGrammar(): Grammar {
  return new Grammar(mergeRules(englishWords, numberRules(), nameRules(), entityRules, englishSentences));
}

function numberRules(): Rules {
  return {
    digit: ({ random }) => String(random.int(10)),
    number: ({ random }) => formatNumber(random),
    year: ({ random }) => String(1960 + random.int(60)),
    day: ({ random }) => String(1 + random.int(31)),
    isoDate: ({ random }) =>
      `${1990 + random.int(15)}-${pad2(1 + random.int(12))}-${pad2(1 + random.int(28))}`,
    time: ({ random }) => `${1 + random.int(3)}:${pad2(random.int(60))}.${pad2(random.int(100))}`,
    setScore: ({ random }) => `${random.int(8)}-${random.int(8)}`,
    decimal: ({ random }) => `${random.int(90)}.${random.int(10)}`,
    model: ({ random }) => `${random.pick(['x', 's', 'rt', 'mk', 'a'])}${10 * (1 + random.int(90))}`,
    initial: ({ random }) => `${random.pick(['a', 'b', 'c', 'd', 'j', 'm', 'p', 'r', 's', 't'])}.`,
  };
}

/** Which forms each kind of name takes: towns, people and firms share all of them in other proportions. */
function nameRules(): Rules {
  const given = new NameBook('en/given', englishParts.given, 70);
  const person = new NameBook('en/person', englishParts.person, 90);
  const place = new NameBook('en/place', englishParts.place, 90);
  const firm = new NameBook('en/firm', englishParts.firm, 60);
  const neutral = new NameBook('en/neutral', englishParts.neutral, 60);
  const country = new NameBook('en/country', englishParts.country, 36);
  const acronym = new NameBook('en/acronym', englishParts.acronym, 30);
  const common = fixedNames(COMMON_NAMES);
  const givenName = mixNames([82, given], [8, common], [10, neutral]);
  const surname = mixNames([64, person], [14, neutral], [10, place], [12, common]);
  const city = mixNames([68, place], [15, neutral], [10, person], [7, common]);
  const company = mixNames([52, firm], [14, person], [14, neutral], [8, place], [12, common]);
  return {
    givenName: (draw) => givenName.draw(draw),
    surname: (draw) => surname.draw(draw),
    city: (draw) => city.draw(draw),
    company: (draw) => company.draw(draw),
    country: (draw) => country.draw(draw),
    acronym: (draw) => acronym.draw(draw),
    demonym: (draw) => demonymOf(country, draw),
    demonyms: (draw) => `${demonymOf(country, draw)}s`,
  };
}

function demonymOf(country: NameBook, draw: Draw): string {
  const name = country.draw(draw);
  const [from, to] = DEMONYM_ENDINGS.find(([ending]) => name.endsWith(ending)) ?? ['', ''];
  return name.slice(0, name.length - from.length) + to;
}

/** Entities by type. Whatever fits several types is told apart by the sentence around it. */
const entityRules: Rules = {
  per: [
    '5* [PER {givenName} {surname} ]',
    '1* [PER {initial} {surname} ]',
    '1* [PER {givenName} {initial} {surname} ]',
  ],
  perShort: ['4* [PER {surname} ]', '1* [PER {givenName} ]'],
  anyPer: ['3* {per}', '2* {perShort}', '2* {title} {per}', '2* {title} {perShort}'],
  loc: [
    '9* [LOC {city} ]',
    '7* [LOC {country} ]',
    '1* [LOC {direction} {country} ]',
    '1* [LOC lake {city} ]',
    '1* [LOC mount {surname} ]',
    '1* [LOC {city} river ]',
    '1* [LOC port {city} ]',
    '1* [LOC {surname} {geo} ]',
    '1* [LOC {plainCommon} {geo} ]',
  ],
  town: ['[LOC {city} ]'],
  land: ['[LOC {country} ]'],
  firm: [
    '5* [ORG {company} {corp} ]',
    '5* [ORG {company} ]',
    '1* [ORG {surname} & {surname} ]',
    '1* [ORG {city} {corp} ]',
    '1* [ORG {demonym} {corp} ]',
    '1* [ORG {acronym} ]',
  ],
  office: [
    '3* [ORG {country} {agency} ]',
    '2* [ORG {demonym} {agency} ]',
    '2* [ORG ministry of {ministry} ]',
    '2* [ORG university of {city} ]',
    '1* [ORG bank of {country} ]',
    '2* [ORG {party} party ]',
    '1* [ORG {city} {press} ]',
    '3* [ORG {acronym} ]',
    '1* [ORG {surname} university ]',
  ],
  club: ['6* [ORG {city} ]', '3* [ORG {city} {clubWord} ]', '1* [ORG {clubPrefix} {city} ]'],
  nat: ['[MISC {demonym} ]'],
  contest: [
    '2* [MISC {city} {event} ]',
    '2* [MISC {country} {event} ]',
    '1* [MISC {company} {event} ]',
    '2* [MISC world {event} ]',
    '1* [MISC {surname} {event} ]',
    '1* [MISC {demonym} {sport} {event} ]',
  ],
  work: [
    '3* " [MISC the {adj} {noun} ] "',
    '1* " [MISC {noun} of {city} ] "',
    '1* " [MISC {givenName} and the {noun} ] "',
    '1* " [MISC {adj} {nouns} ] "',
  ],
  gadget: ['[MISC {company} {model} ]', '[MISC {plainCommon} {model} ]'],
};

function formatNumber(random: Random): string {
  const kind = random.int(4);
  if (kind === 0) return String(1 + random.int(9));
  if (kind === 1) return String(10 + random.int(90));
  if (kind === 2) return String(100 + random.int(900));
  return `${1 + random.int(99)},${String(random.int(1000)).padStart(3, '0')}`;
}

function pad2(value: number): string {
  return String(value).padStart(2, '0');
}
