import { PermafrostError } from '../errors/error.js';
import { bytePairModel } from './byte-pair-model.js';
import { toReferenceText } from './reference-text.js';
import { mapParts } from './sequence-layout.js';
import type { BertNormalizerSettings, TokenizerDocument } from './tokenizer-document.js';
import { tokenizersLibrary } from './tokenizers-library.js';
import { unigramModel } from './unigram-model.js';
import { wordPieceModel } from './word-piece-model.js';
import type { PieceModel, PieceRules } from './word-pieces.js';

/**
 * The rules that a document states, ready to cut words by.
 *
 * @throws UNSUPPORTED_MODEL for a normalizer or pre-tokenizer that the `tokenizers` package does not know.
 */
export function rulesOf(
  document: TokenizerDocument,
  vocab: Map<string, number>,
  unkId: number,
  file: string,
): PieceRules {
  const { added_tokens } = document;
  const { normalize, preTokenizer } = nativeParts(document, file);
  const inner = mapParts(document.pre_tokenizer, 'Metaspace', (part) =>
    part.prepend_scheme === 'first' ? { ...part, prepend_scheme: 'never' } : part,
  );
  const raw = added_tokens.filter(({ normalized }) => !normalized);
  const normalized = added_tokens.filter((token) => token.normalized);
  return {
    model: modelOf(document, vocab, unkId),
    rawTokens: new Map(raw.map(({ content, id }) => [content, id])),
    normalizedTokens: new Map(
      normalized
        .map(({ content, id }): [string, number] => [normalize(content), id])
        // One of which nothing is left is found nowhere.
        .filter(([content]) => content !== ''),
    ),
    normalize,
    preTokenizer,
    innerPreTokenizer: nativeParts({ ...document, pre_tokenizer: inner }, file).preTokenizer,
    bertLowercase: document.pre_tokenizer?.type === 'BertPreTokenizer' ? bertLowercase(document) : null,
  };
}

function modelOf({ model }: TokenizerDocument, vocab: Map<string, number>, unkId: number): PieceModel {
  switch (model.type) {
    case 'WordPiece':
      return wordPieceModel({
        vocab,
        unkId: vocab.get(model.unk_token) ?? unkId,
        continuingPrefix: model.continuing_subword_prefix,
        maxCharsPerPiece: model.max_input_chars_per_word,
      });
    case 'BPE':
      return bytePairModel({
        vocab,
        merges: model.merges,
        unkId: model.unk_token === null ? undefined : vocab.get(model.unk_token),
        fusesUnknown: model.fuse_unk,
        ignoresMerges: model.ignore_merges,
      });
    case 'Unigram':
      return unigramModel({ vocab: model.vocab, unkId: model.unk_id });
  }
}

/** Normalizer and pre-tokenizer of a document, made by the `tokenizers` package. */
export function nativeParts(parts: Pick<TokenizerDocument, 'normalizer' | 'pre_tokenizer'>, file: string) {
  const { normalizer, pre_tokenizer } = parts;
  const prepare = preparation(parts);
  const model = { type: 'WordPiece', unk_token: '[UNK]', vocab: { '[UNK]': 0 } };
  const settings = { continuing_subword_prefix: '##', max_input_chars_per_word: 100 };
  const json = {
    version: '1.0',
    added_tokens: [],
    normalizer,
    pre_tokenizer,
    model: { ...model, ...settings },
  };
  const { Tokenizer } = tokenizersLibrary();
  try {
    const native = Tokenizer.fromString(JSON.stringify(json));
    const nativeNormalizer = native.getNormalizer();
    const normalize = (text: string) => nativeNormalizer?.normalizeString(prepare(text)) ?? text;
    return { normalize, preTokenizer: native.getPreTokenizer() };
  } catch (cause) {
    throw new PermafrostError(
      'UNSUPPORTED_MODEL',
      `${file}: the normalizer or pre-tokenizer cannot be read: ${(cause as Error).message}.`,
      { file },
      { cause },
    );
  }
}

/** What is done to text ahead of the normalizer: nothing, unless normalizer and pre-tokenizer are BERT's. */
function preparation({
  normalizer,
  pre_tokenizer,
}: Pick<TokenizerDocument, 'normalizer' | 'pre_tokenizer'>): (text: string) => string {
  if (normalizer?.type !== 'BertNormalizer' || pre_tokenizer?.type !== 'BertPreTokenizer') {
    return (text) => text;
  }
  const settings = normalizer as BertNormalizerSettings;
  const reference = {
    cleanText: settings.clean_text,
    handleChineseChars: settings.handle_chinese_chars,
    stripAccents: settings.strip_accents ?? settings.lowercase,
  };
  return (text) => toReferenceText(text, reference);
}

/** Whether BERT's normalizer lowercases; null for another normalizer. */
export function bertLowercase({ normalizer }: TokenizerDocument): boolean | null {
  return normalizer?.type === 'BertNormalizer' ? (normalizer as BertNormalizerSettings).lowercase : null;
}
