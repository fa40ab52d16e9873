import {
  BERT_SPECIAL_TOKENS,
  type SpecialTokens,
  type TokenizerDocument,
  vocabularyOf,
} from './tokenizer-document.js';
import { isObject, type Json, unsupported } from './tokenizer-file.js';

type Role = keyof SpecialTokens;

/** What the roles are called in the families that do not follow BERT. */
const SENTENCE_PIECE_NAMES: Readonly<SpecialTokens> = {
  pad: '<pad>',
  unk: '<unk>',
  cls: '<s>',
  sep: '</s>',
  mask: '<mask>',
};

/**
 * The special tokens by their roles: those around a sequence as the post-processor lays them, the unknown token as the
 * model has it, the others as tokenizer_config.json names them; else what the vocabulary holds of the usual names.
 *
 * @param document null for a plain vocabulary of BERT's
 */
export function specialTokensOf(config: Json, document: TokenizerDocument | null): SpecialTokens {
  const given: Partial<SpecialTokens> = document === null ? {} : stated(document);
  const known = new Set(document === null ? [] : tokensOf(document));
  const roles = Object.keys(BERT_SPECIAL_TOKENS) as Role[];
  const named = roles.map((role) => {
    const token = config[`${role}_token`];
    const configured = isObject(token) ? token.content : token;
    const usual =
      !known.has(BERT_SPECIAL_TOKENS[role]) && known.has(SENTENCE_PIECE_NAMES[role])
        ? SENTENCE_PIECE_NAMES[role]
        : BERT_SPECIAL_TOKENS[role];
    return [role, given[role] ?? (typeof configured === 'string' ? configured : usual)];
  });
  return Object.fromEntries(named) as unknown as SpecialTokens;
}

/**
 * Sequences are laid out as one special token, the words, one special token; a file that says otherwise would be
 * encoded wrongly.
 *
 * @throws UNSUPPORTED_MODEL
 */
export function checkPostProcessor(processor: unknown, file: string): void {
  if (processor === null || processor === undefined || borderTokens(processor) !== null) return;
  const type = isObject(processor) ? processor.type : processor;
  const single = isObject(processor) && Array.isArray(processor.single) ? processor.single : [];
  const layout = single.map((item) => (isObject(item) ? Object.keys(item)[0] : item)).join(' ');
  throw unsupported(file, `post-processor ${JSON.stringify(type)} (${layout})`, '[CLS] words [SEP]');
}

/**
 * The document with a space before every word where tokens are made of bytes: words come one by one here, and within
 * a sentence each follows a space. Hugging Face asks for the same, `add_prefix_space`, to take words at all.
 */
export function addsPrefixSpace(document: TokenizerDocument): TokenizerDocument {
  return {
    ...document,
    pre_tokenizer: withPrefixSpace(document.pre_tokenizer) as TokenizerDocument['pre_tokenizer'],
    post_processor: withPrefixSpace(document.post_processor) as TokenizerDocument['post_processor'],
  };
}

/** Whether the tokenizer's tokens are made of bytes. */
export function isByteLevel({ pre_tokenizer }: TokenizerDocument): boolean {
  const parts = [
    pre_tokenizer,
    ...(((pre_tokenizer as Json | null)?.pretokenizers as Json[] | undefined) ?? []),
  ];
  return parts.some((part) => part?.type === 'ByteLevel');
}

function withPrefixSpace(part: unknown): unknown {
  if (!isObject(part)) return part;
  if (Array.isArray(part.pretokenizers)) {
    return { ...part, pretokenizers: part.pretokenizers.map(withPrefixSpace) };
  }
  const isConcerned = part.type === 'ByteLevel' || part.type === 'RobertaProcessing';
  return isConcerned ? { ...part, add_prefix_space: true } : part;
}

/** The roles that the document itself states. */
function stated(document: TokenizerDocument): Partial<SpecialTokens> {
  const { model, post_processor } = document;
  const borders = borderTokens(post_processor);
  const unknown = model.type === 'Unigram' ? model.vocab[model.unk_id]![0] : model.unk_token;
  return { ...borders, ...(unknown !== null && { unk: unknown }) };
}

function tokensOf(document: TokenizerDocument): string[] {
  return [...vocabularyOf(document).keys(), ...document.added_tokens.map(({ content }) => content)];
}

/** First and last token of a sequence; null where the processor does not lay out one of each. */
function borderTokens(processor: unknown): Pick<SpecialTokens, 'cls' | 'sep'> | null {
  if (!isObject(processor)) return null;
  if (processor.type === 'Sequence' && Array.isArray(processor.processors)) {
    const found = processor.processors.map(borderTokens).filter((borders) => borders !== null);
    return found.length === 1 ? found[0]! : null;
  }
  if (processor.type === 'BertProcessing' || processor.type === 'RobertaProcessing') {
    const { cls, sep } = processor;
    const isToken = (token: unknown): token is [string, number] =>
      Array.isArray(token) && typeof token[0] === 'string';
    return isToken(cls) && isToken(sep) ? { cls: cls[0], sep: sep[0] } : null;
  }
  if (processor.type !== 'TemplateProcessing' || !Array.isArray(processor.single)) return null;
  const [first, words, last, ...more] = processor.single as Json[];
  const nameOf = (item: Json | undefined) =>
    isObject(item?.SpecialToken) && typeof item.SpecialToken.id === 'string' ? item.SpecialToken.id : null;
  const [cls, sep] = [nameOf(first), nameOf(last)];
  return cls !== null && sep !== null && isObject(words?.Sequence) && more.length === 0 ? { cls, sep } : null;
}
