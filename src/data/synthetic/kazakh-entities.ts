/**
 * Entities of the Kazakh-like language, the 25 types of KazNERD.
 *
 * Numbers, names in guillemets and words for peoples fit several types; what follows them decides.
 */
import { mergeRules, type Rules } from './grammar.js';

const nameEntities: Rules = {
  person: ['6* [PERSON {givenName} {surname} ]', '2* [PERSON {givenName} ]', '1* [PERSON {surname} ]'],
  anyPerson: ['5* {person}', '4* {position} {person}', '1* {noblePosition} {person}'],
  position: [
    '5* [POSITION {title} ]',
    '2* [POSITION {positionField} {title}+POSS ]',
    '2* [POSITION {cityName} {title}+POSS ]',
    '2* [POSITION {countryName} {title}+POSS ]',
    '1* [POSITION бас {title} ]',
    '1* [POSITION {title}+GEN орынбасар+POSS ]',
  ],
  noblePosition: ['[POSITION {people} ]'],
  city: ['5* [GPE {cityName} ]', '1* [GPE {cityName} қала+POSS ]', '1* [GPE {cityName} {region}+POSS ]'],
  country: ['[GPE {countryName} ]'],
  gpe: ['3* {city}', '2* {country}'],
  location: [
    '4* [LOCATION {cityName} {river}+POSS ]',
    '1* [LOCATION {givenName} {river}+POSS ]',
    '1* [LOCATION {direction} {countryName} ]',
    '1* [LOCATION {plainCommon} {river}+POSS ]',
  ],
  facility: [
    '2* [FACILITY {givenName} {surname} атындағы {facilityWord} ]',
    '1* [FACILITY {givenName} көше+POSS ]',
    '1* [FACILITY {cityName} {facilityWord}+POSS ]',
    '1* [FACILITY {plainCommon} {facilityWord}+POSS ]',
  ],
  organisation: [
    '3* [ORGANISATION {ministry} министрлік+POSS ]',
    '2* [ORGANISATION {cityName} {school}+POSS ]',
    '1* [ORGANISATION {countryName} парламент+POSS ]',
    '1* [ORGANISATION {firmName} {corp} ]',
    '3* « [ORGANISATION {firmName} ] » {orgWord}+POSS',
    '1* [ORGANISATION {firmName} ]',
  ],
  club: ['2* « [ORGANISATION {titleName} ] » клуб+POSS', '1* « [ORGANISATION {cityName} ] »'],
  norp: [
    '3* [NORP {nation} ]',
    '1* [NORP {faith} ]',
    '2* [NORP {cityName}+REL ]',
    '1* [NORP {countryName}+REL ]',
  ],
  language: ['3* [LANGUAGE {nation} тіл+POSS ]', '1* [LANGUAGE {nation}+LANG ]'],
};

const workEntities: Rules = {
  art: ['3* « [ART {titleName} ] »', '2* « [ART {adj} {noun} ] »', '1* « [ART {noun}+GEN {noun}+POSS ] »'],
  project: [
    '2* « [PROJECT {titleName} ] »',
    '1* « [PROJECT {adj} {noun} ] »',
    '1* « [PROJECT {titleName} {year} ] »',
  ],
  event: [
    '2* « [EVENT {titleName} ] » {eventWord}+POSS',
    '2* [EVENT {countryName} {eventWord}+POSS ]',
    '1* [EVENT әлем {eventWord}+POSS ]',
    '1* [EVENT {month} мейрам+POSS ]',
    '1* [EVENT {plainCommon} күн+POSS ]',
  ],
  productName: [
    '2* « [PRODUCT {firmName} ] »',
    '2* [PRODUCT {firmName} {model} ]',
    '1* [PRODUCT {titleName} {model} ]',
  ],
  law: [
    '2* [LAW {lawField} кодекс ]',
    '2* « [LAW {lawTopic} туралы ] » заң',
    '1* [LAW ата заң ]',
    '1* [LAW {lawTopic} туралы заң ]',
  ],
  disease: [
    '4* [DISEASE {diseaseName} ]',
    '1* [DISEASE {diseaseKind} {diseaseName}+POSS ]',
    '1* [DISEASE қатерлі ісік ]',
  ],
  misc: ['« [MISCELLANEOUS {titleName} ] » {award}+POSS'],
  contact: ['2* [CONTACT 8 {phone} ]', '1* [CONTACT {site} ]'],
  nonHuman: ['[NON_HUMAN {givenName} ]', '[NON_HUMAN ақ {animal} ]'],
  /** Sayings follow a few moulds that the plain language does not have. */
  adage: [
    '[ADAGE {stem} {stem}+ABL , {stem} {stem}+ABL қорқады ]',
    '[ADAGE {stem}+LOC {stem} жоқ , {stem}+LOC {stem} көп ]',
    '[ADAGE {stem}+ACC сыйласаң , {stem} табарсың ]',
    '[ADAGE {stem} туған {stem}+GEN {stem}+POSS ]',
    '[ADAGE {stem} бір болса , {stem} мың болар ]',
    '[ADAGE {stem}+GEN көзі {stem}+LOC ]',
  ],
};

const numberEntities: Rules = {
  cardinal: [
    '5* [CARDINAL {number} ]',
    '4* [CARDINAL {numberWord} ]',
    '2* [CARDINAL {number} {scale} ]',
    '1* [CARDINAL он {smallNumber} ]',
    '1* [CARDINAL {smallNumber} жүз ]',
  ],
  ordinal: ['3* [ORDINAL {ordinalStem}+ORD ]', '2* [ORDINAL {ordinalDigits} ]', '1* [ORDINAL алғашқы ]'],
  date: [
    '3* [DATE {year} жылы ]',
    '3* [DATE {day} {month} ]',
    '2* [DATE {dayWord} ]',
    '2* [DATE {month} айында ]',
    '1* [DATE {weekday} күні ]',
    '1* [DATE {smallNumber} жыл бұрын ]',
    '1* [DATE {year} жылғы {day} {month} ]',
    '1* [DATE өткен жылы ]',
  ],
  time: [
    '2* [TIME сағат {hour} ]',
    '1* [TIME {dayPart} сағат {numberWord}+LOC ]',
    '1* [TIME {smallNumber} сағат ]',
    '1* [TIME {dayPart} {hourDigits} ]',
    '1* [TIME {smallDigits} минут ]',
  ],
  money: [
    '3* [MONEY {number} {scale} {currency} ]',
    '2* [MONEY {number} {currency} ]',
    '1* [MONEY {numberWord} {scale} {currency} ]',
  ],
  percentage: [
    '2* [PERCENTAGE {decimal} пайыз ]',
    '2* [PERCENTAGE {smallDigits} пайыз ]',
    '1* [PERCENTAGE {smallDigits} % ]',
    '1* [PERCENTAGE {numberWord} пайыз ]',
  ],
  quantity: [
    '3* [QUANTITY {number} {unit} ]',
    '1* [QUANTITY {decimal} {unit} ]',
    '1* [QUANTITY {numberWord} {unit} ]',
  ],
};

export const kazakhEntities: Rules = mergeRules(nameEntities, workEntities, numberEntities);
