import { isObject, type Json } from '../io/json.js';
import { contentOf, mapParts, tokenOf, withBorders } from './sequence-layout.js';
import {
  type AddedToken,
  type SpecialTokens,
  type TokenizerDocument,
  vocabularyOf,
} from './tokenizer-document.js';

/** What lies beside a tokenizer.json or vocab.txt. */
export interface TokenizerNeighbours {
  /** tokenizer_config.json with what of special_tokens_map.json counts. */
  config: Json;
  /** Content of added_tokens.json, ids by token. */
  added: Json;
  /** `model_type` of config.json. */
  modelType: unknown;
}

/** How a tokenizer class of Transformers reads its settings. */
interface TokenizerClass {
  /** Type of the model that the class computes with; a document of another one is taken as it is. */
  model: TokenizerDocument['model']['type'];
  specials: Readonly<SpecialTokens & { bos?: string; eos?: string }>;
  /** Settings whose tokens stand at the ends of a sequence. */
  borders: readonly [first: 'cls' | 'bos', last: 'sep' | 'eos'];
  /** The document with the settings of tokenizer_config.json, and the class's defaults for those it does not name. */
  apply(document: TokenizerDocument, config: Json): TokenizerDocument;
}

const SENTENCE_PIECE = {
  ...{ pad: '<pad>', unk: '<unk>', cls: '<s>', sep: '</s>', mask: '<mask>' },
  ...{ bos: '<s>', eos: '</s>' },
} as const;
const BRACKETS = { pad: '[PAD]', unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', mask: '[MASK]' } as const;

const CLASSES = {
  bert: {
    model: 'WordPiece',
    specials: BRACKETS,
    borders: ['cls', 'sep'],
    apply: (document, config) => ({
      ...document,
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: config.tokenize_chinese_chars ?? true,
        strip_accents: config.strip_accents ?? null,
        lowercase: config.do_lower_case ?? true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
    }),
  },
  roberta: {
    model: 'BPE',
    specials: SENTENCE_PIECE,
    borders: ['cls', 'sep'],
    apply: (document) => document,
  },
  'xlm-roberta': {
    model: 'Unigram',
    specials: SENTENCE_PIECE,
    borders: ['bos', 'eos'],
    apply: (document, config) => withSpaces(document, (config.add_prefix_space ?? true) ? 'always' : 'never'),
  },
  'deberta-v2': {
    model: 'Unigram',
    specials: { ...BRACKETS, bos: '[CLS]', eos: '[SEP]' },
    borders: ['cls', 'sep'],
    apply(document, config) {
      const spaced = withSpaces(document, (config.add_prefix_space ?? true) ? 'always' : 'first');
      const punctuation = config.split_by_punct === true && [{ type: 'Punctuation', behavior: 'Isolated' }];
      const lowercase = config.do_lower_case === true && [{ type: 'Lowercase' }];
      return {
        ...spaced,
        normalizer: withFirst(spaced.normalizer, 'Lowercase', lowercase, 'normalizers'),
        pre_tokenizer: withFirst(spaced.pre_tokenizer, 'Punctuation', punctuation, 'pretokenizers'),
      };
    },
  },
} satisfies Record<string, TokenizerClass>;

/** The class that Transformers takes for a `tokenizer_class`, or where there is none for a `model_type`. */
const CLASS_OF: Readonly<Record<string, keyof typeof CLASSES>> = {
  BertTokenizer: 'bert',
  DistilBertTokenizer: 'bert',
  ElectraTokenizer: 'bert',
  RobertaTokenizer: 'roberta',
  XLMRobertaTokenizer: 'xlm-roberta',
  CamembertTokenizer: 'xlm-roberta',
  DebertaV2Tokenizer: 'deberta-v2',
  bert: 'bert',
  distilbert: 'bert',
  electra: 'bert',
  roberta: 'roberta',
  'xlm-roberta': 'xlm-roberta',
  camembert: 'xlm-roberta',
  'deberta-v2': 'deberta-v2',
};

const FLAGS = ['single_word', 'lstrip', 'rstrip', 'normalized', 'special'] as const;

/**
 * The document as AutoTokenizer of Transformers 5 makes it out of a tokenizer.json and what lies beside it.
 *
 * The class that the files name decides what it has a setting for, by tokenizer_config.json or else by its own default:
 * lower-casing, accents, ideographs, spaces before words, special and added tokens. Everything else is the
 * tokenizer.json's, and so is all of it under another class.
 */
export function configuredDocument(
  document: TokenizerDocument,
  { config, added, modelType }: TokenizerNeighbours,
): TokenizerDocument {
  const kind = classOf(config.tokenizer_class ?? modelType, document);
  const tokens = addedTokens(document, { config, added }, kind);
  return kind === null ? { ...document, added_tokens: tokens } : withClass(document, tokens, config, kind);
}

function classOf(name: unknown, { model }: TokenizerDocument): TokenizerClass | null {
  if (typeof name !== 'string') return null;
  const key = name.replace(/Fast$/, '');
  const kind: TokenizerClass | null = Object.hasOwn(CLASS_OF, key) ? CLASSES[CLASS_OF[key]!] : null;
  return kind?.model === model.type ? kind : null;
}

function withClass(
  document: TokenizerDocument,
  added_tokens: AddedToken[],
  config: Json,
  { borders, specials, apply }: TokenizerClass,
): TokenizerDocument {
  const ids = vocabularyOf(document);
  for (const { content, id } of added_tokens) ids.set(content, id);
  const named = (role: keyof TokenizerClass['specials']) => {
    const name = tokenOf(config, role) ?? specials[role]!;
    const id = ids.get(name);
    // What the class takes for granted and the vocabulary lacks says nothing about this tokenizer.
    return id === undefined ? null : { name, id };
  };
  const applied = apply({ ...document, added_tokens }, config);
  return {
    ...applied,
    model: withUnknown(applied.model, named('unk')?.name),
    post_processor: withBorders(applied.post_processor, named(borders[0]), named(borders[1])),
  };
}

function withUnknown(
  model: TokenizerDocument['model'],
  token: string | undefined,
): TokenizerDocument['model'] {
  if (token === undefined) return model;
  if (model.type === 'WordPiece') return { ...model, unk_token: token };
  if (model.type !== 'Unigram') return model;
  const id = model.vocab.findIndex(([text]) => text === token);
  return id === -1 ? model : { ...model, unk_id: id };
}

/**
 * The tokens that are looked for in text as a whole: those of the configuration where it lists any, else those of
 * added_tokens.json and tokenizer.json, and the special tokens. One that the vocabulary lacks gets the next free id,
 * whichever id is stated.
 */
function addedTokens(
  document: TokenizerDocument,
  { config, added }: Pick<TokenizerNeighbours, 'config' | 'added'>,
  kind: TokenizerClass | null,
): AddedToken[] {
  const own = document.added_tokens;
  const listed = isObject(config.added_tokens_decoder)
    ? decoderTokens(config.added_tokens_decoder)
    : [...legacyTokens(config, added, own), ...own];
  const byId = [...new Map(listed.map((token) => [token.id, token])).values()].sort((a, b) => a.id - b.id);
  const known = new Set([...byId, ...(kind === null ? own : [])].map(({ content }) => content));
  const named = [...namedTokens(config), ...extraTokens(config)].filter((token) => !known.has(token));
  const ids = vocabularyOf(document);
  const tokens = new Map<string, AddedToken>();
  let next = ids.size;
  const add = (token: Omit<AddedToken, 'id'>, stated?: number) => {
    const id = ids.get(token.content) ?? stated ?? next;
    ids.set(token.content, id);
    next = Math.max(next, id + 1);
    tokens.set(token.content, { ...token, id });
  };
  if (kind === null) for (const token of own) add(token, token.id);
  for (const token of byId) add(token);
  for (const content of named) add({ content, ...flagsOf({ special: true }) });
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

function decoderTokens(decoder: Json): AddedToken[] {
  return Object.entries(decoder).flatMap(([id, token]) =>
    isObject(token) && typeof token.content === 'string'
      ? [{ id: Number(id), content: token.content, ...flagsOf(token) }]
      : [],
  );
}

function legacyTokens(config: Json, added: Json, own: readonly AddedToken[]): AddedToken[] {
  const special = new Set([...namedTokens(config), ...own.map(({ content }) => content)]);
  return Object.entries(added).map(([content, id]) => {
    const isSpecial = special.has(content);
    return { id: id as number, content, ...flagsOf({ special: isSpecial, normalized: !isSpecial }) };
  });
}

function flagsOf(token: Json): Omit<AddedToken, 'id' | 'content'> {
  const flags = FLAGS.map((name) => [name, token[name] === true]);
  return Object.fromEntries(flags) as Omit<AddedToken, 'id' | 'content'>;
}

/** The special tokens that the configuration names by their roles. */
function namedTokens(config: Json): string[] {
  const roles = ['bos', 'eos', ...Object.keys(BRACKETS)] as const;
  return roles.flatMap((role) => tokenOf(config, role) ?? []);
}

/** Further special tokens, under either of their names. */
function extraTokens(config: Json): string[] {
  const { extra_special_tokens: extra, additional_special_tokens: additional } = config;
  const given = Array.isArray(extra) && extra.length > 0 ? extra : additional;
  if (!Array.isArray(given)) return [];
  return given.flatMap((token) => contentOf(token) ?? []);
}

/** The document with its Metaspace pre-tokenizer set to write spaces before words, or not to. */
function withSpaces(
  document: TokenizerDocument,
  prepend_scheme: 'always' | 'first' | 'never',
): TokenizerDocument {
  const pre_tokenizer = mapParts(document.pre_tokenizer, 'Metaspace', (part) => {
    // Older files say add_prefix_space, which must not contradict.
    const { add_prefix_space: _old, str_rep: _text, ...kept } = part;
    return { split: true, ...kept, prepend_scheme };
  });
  return { ...document, pre_tokenizer };
}

/** The steps without those of a type, and with `first` before them. */
function withFirst(
  part: { type: string } | null,
  type: string,
  first: { type: string }[] | false,
  list: 'normalizers' | 'pretokenizers',
): { type: string } | null {
  const steps = ((part as Json | null)?.[list] as { type: string }[] | undefined) ?? (part ? [part] : []);
  const kept = [...(first || []), ...steps.filter((step) => step.type !== type)];
  const [only] = kept;
  if (only === undefined) return null;
  return kept.length === 1 ? only : ({ type: 'Sequence', [list]: kept } as { type: string });
}
