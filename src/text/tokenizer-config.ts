import type { Json } from '../io/json.js';
import { isByteLevel } from './sequence-layout.js';
import type { BertNormalizerSettings, TokenizerDocument } from './tokenizer-document.js';

/**
 * The tokenizer_config.json to write beside a document, without its special tokens.
 *
 * @param read what was read beside it; kept, since it names the family's own class and settings
 */
export function tokenizerConfig(document: TokenizerDocument, read: Json): Json {
  const normalizer = document.normalizer as Partial<BertNormalizerSettings> | null;
  if (!isBert(document)) {
    return {
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...read,
      ...(isByteLevel(document) && { add_prefix_space: true }),
    };
  }
  return {
    clean_up_tokenization_spaces: true,
    do_lower_case: normalizer?.lowercase ?? false,
    strip_accents: normalizer?.strip_accents ?? null,
    tokenize_chinese_chars: normalizer?.handle_chinese_chars ?? true,
    tokenizer_class: 'BertTokenizer',
  };
}

/** Whether Transformers' BertTokenizer, which has a normalizer of its own, computes what the document says. */
function isBert({ model, normalizer, pre_tokenizer }: TokenizerDocument): boolean {
  return (
    model.type === 'WordPiece' &&
    normalizer?.type === 'BertNormalizer' &&
    pre_tokenizer?.type === 'BertPreTokenizer'
  );
}
