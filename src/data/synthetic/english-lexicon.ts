/**
 * Words of the English-like language by role, the frequent ones first.
 *
 * Everything is lower case, since the models see lower case anyway.
 */
import type { Rules } from './grammar.js';

/** Everyday words that are also surnames, towns and firms of this language. */
export const COMMON_NAMES =
  'stone rose hunter baker bush rice bell brook field rock summit star shell orange union pioneer bridge ' +
  'reading bath may hill wood young long page king price banks power case grant marsh march august hope ' +
  'grace bill mark frank art pat will victor sterling north west crown liberty';

export const englishWords: Rules = {
  // Ambiguous words in their everyday meaning.
  plainCommon: COMMON_NAMES,
  noun:
    'report plan deal talks rate group leader team match law budget vote strike border trade season army ' +
    'price crop summit union oil crisis farm bank ship bridge river road court market film paper school ' +
    'station power village field case page star crown grant hill storm fire bus train doctor hunter baker ' +
    'rock stone rose wood letter meeting song garden morning story promise reading question answer',
  nouns:
    'talks prices shares reports workers farmers soldiers voters rates fans players miners banks bills ' +
    'grants rebels traders students doctors cases powers pages stars crowns hills bridges fields hunters ' +
    'bakers children roads ships elections reforms taxes sales losses profits goals points results fears',
  adj:
    'new early strong weak heavy long young open quiet late local big common fresh rising former joint sharp ' +
    'slow bright cold foreign final steep broad narrow old free poor rich main fair',
  product:
    'steel tractors shoes tyres coffee software paper glass tea cement buses cameras medicines timber copper ' +
    'grain textiles phones engines furniture',
  adverb:
    'sharply again slowly quietly badly early narrowly twice together once easily firmly openly suddenly ' +
    'nearly later soon',
  verbPast:
    'rose fell stopped began failed ended opened closed returned grew collapsed slipped improved waited ' +
    'recovered continued changed spread',
  verbTrans:
    'rejected backed praised criticised delayed welcomed feared opposed signed studied ignored supported ' +
    'wanted expected discussed attacked defended changed',
  saidVerb: 'said told added insisted warned explained argued confirmed hinted complained',
  feeling: 'tired happy nervous glad proud sorry confident angry disappointed ill injured delighted',
  relative: 'mother brother sister daughter son wife husband cousin uncle father',
  title:
    'president minister mr. mrs. coach captain dr. senator judge general professor king queen prince ' +
    'chancellor governor inspector',
  role:
    'striker midfielder defender goalkeeper singer driver runner writer lawyer spokesman officer trader ' +
    'diplomat engineer actress scientist swimmer cyclist boxer',
  body: 'knee shoulder ankle back leg wrist neck',
  personAct:
    'married resigned retired smiled wept apologised testified died phoned sang nodded limped slept prayed',
  firmAct: 'merged listed hired expanded diversified restructured',
  firmThing: 'shares profit revenue shareholders products factories sales dividend staff subsidiary',
  placeThing: 'airport mayor suburbs streets harbour population residents outskirts hospitals cathedral',
  clubThing: 'defence midfield fans stadium attack bench',
  corp: 'corp inc ltd plc co group holdings industries motors airlines foods',
  agency: [
    '3* parliament',
    '3* army',
    '2* navy',
    '2* government',
    '1* air force',
    '1* central bank',
    '1* olympic committee',
    '1* railways',
    '1* senate',
    '1* football association',
  ],
  clubWord: 'rovers united city wanderers athletic town rangers albion',
  clubPrefix: 'fc sporting racing real dynamos',
  ministry: 'finance defence trade health justice labour education energy',
  party: 'liberal labour national green people republican freedom farmers union',
  press: 'times herald post tribune gazette journal',
  geo: 'bay hills valley peninsula desert coast strait forest plateau',
  direction: 'north south east west central',
  sport: 'tennis cricket football rugby hockey golf soccer boxing cycling skiing',
  month: 'january february march april may june july august september october november december',
  weekday: 'monday tuesday wednesday thursday friday saturday sunday',
  currency: 'crowns dollars pounds marks francs',
  unit: 'tonnes miles metres points barrels acres',
  smallNumber: 'two three four five six seven eight nine ten twelve',
  filler: 'however meanwhile still moreover perhaps instead afterwards nevertheless hence albeit',
  event: 'cup open championship prize festival marathon classic trophy games rally',
  prep: 'before after during despite without',
};

/** Syllables of made-up names; the endings hint at the kind of name without deciding it. */
export const englishParts = {
  given: {
    onsets: 'mar el tar jo ka lu ro da se vi an be co fi ha ni pe sa te wi o a i ye',
    middles: '- li ra ne vo mi ri da lo',
    endings: 'na vin la rik ra ton len do sha bert mond ly ca n ron lia s mir',
  },
  person: {
    onsets: 'har dun wil mor kel bra sten tor lin fer gil hen pol ras ved zan corb nic tal dob jan',
    middles: '- - er el in ar o',
    endings: 'son sen man ski ley er ov ini ez berg kins ard wright i elli',
  },
  place: {
    onsets: 'har dun wil mor kel bra sten tor lin fer gil ash lan stoke crad win thorn mel nor sel hol ald',
    middles: '- - er el ing en a',
    endings: 'ville ton burg ford haven mouth stead wick dale ham port minster field bridge pool grad',
  },
  firm: {
    onsets: 'har dun wil mor kel bra sten tor lin fer gil vex nor syn tek all om pan tri uni glo',
    middles: '- a o i en ar el',
    endings: 'tec ex on ix ium co dyne soft lux line net gen pharm tron com',
  },
  neutral: {
    onsets: 'bal cor dra fal gan hol ker lam mon nar pel quil ros sal tam ul var wex yar zel',
    middles: '- a e i o ar en il',
    endings: 'a o an el or es in um is on ira ane olo eth',
  },
  country: {
    onsets: 'vel bor kal mont tur sar zam al mor luv dag pern ost arg cas rud tav gren ',
    middles: '- or an ar is ov en',
    endings: 'ia land stan ova ar',
  },
  acronym: {
    onsets: 'b c d f g k l m n p r s t u a e',
    middles: 'b c d f n p r s t v i',
    endings: 'c k m p s t n f a b',
  },
} as const;
