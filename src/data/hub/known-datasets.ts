import { didYouMean } from '../../errors/message.js';

/** Where a dataset for named entity recognition lives on the Hub, and what is in it. */
export interface KnownDataset {
  /** What it is called on the command line. */
  name: string;
  title: string;
  /** `owner/name` on the Hub. */
  repo: string;
  /** Revision to read, where it is not main: the Hub's own conversion of repositories that hold a script. */
  revision?: string;
  /** Part of the repository that is read where none is named. */
  config: string;
  /** What other parts there are, in words. */
  configs: string;
  /** Column (parquet, by name) of the words and of the tags; null where the files are CoNLL columns. */
  columns: { tokens: string; tags: string } | null;
  /** Entity types, in the order of the label ids. */
  types: readonly string[];
  /** SPDX identifier, or what stands in for one. */
  licence: string;
  /** What its owner asks for before it can be read. */
  access?: string;
}

/** The Hub converts datasets that are made by a script, and keeps the result under this name. */
export const PARQUET_REVISION = 'refs/convert/parquet';

const NER_COLUMNS = { tokens: 'tokens', tags: 'ner_tags' };

const KAZNERD_TYPES =
  'ADAGE ART CARDINAL CONTACT DATE DISEASE EVENT FACILITY GPE LANGUAGE LAW LOCATION MISCELLANEOUS MONEY NON_HUMAN ' +
  'NORP ORDINAL ORGANISATION PERCENTAGE PERSON POSITION PRODUCT PROJECT QUANTITY TIME';

/** The datasets that go by a short name. Everything else is named `owner/name`. */
export const KNOWN_DATASETS: readonly KnownDataset[] = [
  {
    name: 'conll2003',
    title: 'CoNLL-2003 (English newswire)',
    repo: 'eriktks/conll2003',
    revision: PARQUET_REVISION,
    config: 'conll2003',
    configs: 'conll2003',
    columns: NER_COLUMNS,
    types: ['PER', 'ORG', 'LOC', 'MISC'],
    licence: 'other (Reuters corpus, for research)',
  },
  {
    name: 'kaznerd',
    title: 'KazNERD (Kazakh television news)',
    repo: 'issai/kaznerd',
    config: '',
    configs: 'one',
    columns: null,
    types: KAZNERD_TYPES.split(' '),
    licence: 'CC-BY-4.0',
    access: 'terms to accept on the Hub; also at github.com/IS2AI/KazNERD',
  },
  {
    name: 'wnut17',
    title: 'WNUT-17 (rare and new entities in English posts)',
    repo: 'leondz/wnut_17',
    revision: PARQUET_REVISION,
    config: 'wnut_17',
    configs: 'wnut_17',
    columns: NER_COLUMNS,
    types: ['corporation', 'creative-work', 'group', 'location', 'person', 'product'],
    licence: 'CC-BY-4.0',
  },
  {
    name: 'wikiann',
    title: 'WikiANN (Wikipedia, silver annotation)',
    repo: 'unimelb-nlp/wikiann',
    config: 'en',
    configs: '176 languages by code: en, kk, ru, …',
    columns: NER_COLUMNS,
    types: ['PER', 'ORG', 'LOC'],
    licence: 'unknown',
  },
  {
    name: 'few-nerd',
    title: 'Few-NERD (English Wikipedia; types without B and I)',
    repo: 'DFKI-SLT/few-nerd',
    config: 'supervised',
    configs: 'supervised, inter, intra; 66 fine types in the column fine_ner_tags',
    columns: NER_COLUMNS,
    types: ['art', 'building', 'event', 'location', 'organization', 'other', 'person', 'product'],
    licence: 'CC-BY-SA-4.0',
  },
  {
    name: 'uner',
    title: 'Universal NER (gold annotation of Universal Dependencies)',
    repo: 'universalner/universal_ner',
    revision: PARQUET_REVISION,
    config: 'en_ewt',
    configs: 'en_ewt, da_ddt, hr_set, pt_bosque, sk_snk, sr_set, sv_talbanken, zh_gsd, …; *_pud: test only',
    columns: NER_COLUMNS,
    types: ['LOC', 'ORG', 'PER'],
    licence: 'CC-BY-SA-4.0',
  },
];

const ALIASES: Readonly<Record<string, string>> = {
  conll03: 'conll2003',
  wnut_17: 'wnut17',
  fewnerd: 'few-nerd',
  few_nerd: 'few-nerd',
  universal_ner: 'uner',
};

/** The dataset that a short name or its repository stands for, or null. */
export function knownDataset(name: string): KnownDataset | null {
  const lower = name.toLowerCase();
  const wanted = ALIASES[lower] ?? lower;
  return (
    KNOWN_DATASETS.find((dataset) => dataset.name === wanted || dataset.repo.toLowerCase() === wanted) ?? null
  );
}

/** The short name that was most likely meant, or null. */
export function similarDataset(name: string): string | null {
  return didYouMean(
    name,
    KNOWN_DATASETS.map((dataset) => dataset.name),
  );
}
