import { PermafrostError } from '../errors/error.js';

/** The special tokens that a sequence needs, by their role. */
export interface SpecialTokens {
  pad: string;
  unk: string;
  cls: string;
  sep: string;
  mask: string;
}

export const BERT_SPECIAL_TOKENS: Readonly<SpecialTokens> = {
  pad: '[PAD]',
  unk: '[UNK]',
  cls: '[CLS]',
  sep: '[SEP]',
  mask: '[MASK]',
};

/** An entry of `added_tokens` in a tokenizer.json. */
export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

export interface BertNormalizerSettings {
  type: 'BertNormalizer';
  clean_text: boolean;
  handle_chinese_chars: boolean;
  /** null: as `lowercase`. */
  strip_accents: boolean | null;
  lowercase: boolean;
}

export interface WordPieceDocument {
  type: 'WordPiece';
  unk_token: string;
  continuing_subword_prefix: string;
  max_input_chars_per_word: number;
  vocab: Record<string, number>;
}

export interface BytePairDocument {
  type: 'BPE';
  unk_token: string | null;
  fuse_unk: boolean;
  ignore_merges: boolean;
  vocab: Record<string, number>;
  merges: [string, string][];
}

export interface UnigramDocument {
  type: 'Unigram';
  unk_id: number;
  /** Token and logarithm of its probability; the position is the id. */
  vocab: [string, number][];
}

/** The parts of a tokenizer.json that are used here; further fields are kept as they are. */
export interface TokenizerDocument {
  added_tokens: AddedToken[];
  normalizer: BertNormalizerSettings | { type: string } | null;
  pre_tokenizer: { type: string } | null;
  post_processor: { type: string } | null;
  model: WordPieceDocument | BytePairDocument | UnigramDocument;
  [field: string]: unknown;
}

/** Id of each token of the model, added tokens excluded. */
export function vocabularyOf({ model }: Pick<TokenizerDocument, 'model'>): Map<string, number> {
  return new Map(
    model.type === 'Unigram' ? model.vocab.map(([token], id) => [token, id]) : Object.entries(model.vocab),
  );
}

/** What a vocabulary file leaves open. */
export interface VocabularySettings {
  lowercase: boolean;
  /** null: as `lowercase`. @default null */
  stripAccents?: boolean | null;
  /** @default true */
  handleChineseChars?: boolean;
  /** @default BERT's */
  specials?: SpecialTokens;
}

/** Longest piece that Hugging Face's BertTokenizer looks up, in code points. */
const MAX_CHARS_PER_PIECE = 100;

/**
 * The tokenizer.json that goes with a vocab.txt.
 *
 * @param tokens one a line of the file; the position is the id. Of equal lines the last one counts.
 * @param where file for messages.
 * @throws DATA_FORMAT where a special token is missing.
 */
export function documentOfVocabulary(
  tokens: readonly string[],
  { lowercase, stripAccents = null, handleChineseChars = true, specials }: VocabularySettings,
  where: string,
): TokenizerDocument {
  const roles = specials ?? BERT_SPECIAL_TOKENS;
  // Own properties by definition, so that a token called __proto__ is a token.
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const ids = requireSpecials(new Map(Object.entries(vocab)), roles, where);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: (Object.keys(roles) as (keyof SpecialTokens)[])
      .map((role) => specialToken(roles[role], ids[role]))
      .sort((a, b) => a.id - b.id),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: handleChineseChars,
      strip_accents: stripAccents,
      lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: bertTemplate(roles, ids),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: roles.unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: MAX_CHARS_PER_PIECE,
      vocab,
    },
  };
}

/**
 * Ids of the special tokens.
 *
 * @throws DATA_FORMAT naming every one that the vocabulary lacks.
 */
export function requireSpecials(
  ids: ReadonlyMap<string, number>,
  specials: SpecialTokens,
  where: string,
): Record<keyof SpecialTokens, number> {
  const missing = Object.values(specials).filter((token) => !ids.has(token));
  if (missing.length > 0) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${where}: the vocabulary of ${ids.size} tokens lacks ${missing.join(', ')}. A vocabulary holds ` +
        `${Object.values(specials).join(', ')}. Add them, or name the right file.`,
      { file: where, missing },
    );
  }
  const entries = Object.entries(specials).map(([role, token]) => [role, ids.get(token)!]);
  return Object.fromEntries(entries) as Record<keyof SpecialTokens, number>;
}

/** `[CLS] A [SEP]`, and `[CLS] A [SEP] B [SEP]` for pairs. */
function bertTemplate(
  { cls, sep }: SpecialTokens,
  ids: Record<keyof SpecialTokens, number>,
): TokenizerDocument['post_processor'] & object {
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special(cls, 0), sequence('A', 0), special(sep, 0)];
  const special_tokens = {
    [cls]: { id: cls, ids: [ids.cls], tokens: [cls] },
    [sep]: { id: sep, ids: [ids.sep], tokens: [sep] },
  };
  const pair = [...single, sequence('B', 1), special(sep, 1)];
  return { type: 'TemplateProcessing', ...{ single, pair, special_tokens } };
}

function specialToken(content: string, id: number): AddedToken {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}
