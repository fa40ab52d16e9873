import { isObject, type Json } from '../io/json.js';
import {
  BERT_SPECIAL_TOKENS,
  type SpecialTokens,
  type TokenizerDocument,
  vocabularyOf,
} from './tokenizer-document.js';
import { unsupported } from './tokenizer-file.js';

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
    const configured = tokenOf(config, role);
    const usual =
      !known.has(BERT_SPECIAL_TOKENS[role]) && known.has(SENTENCE_PIECE_NAMES[role])
        ? SENTENCE_PIECE_NAMES[role]
        : BERT_SPECIAL_TOKENS[role];
    return [role, given[role] ?? configured ?? usual];
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
  const spaced = (part: Json) => ({ ...part, add_prefix_space: true });
  return {
    ...document,
    pre_tokenizer: mapParts(document.pre_tokenizer, 'ByteLevel', spaced),
    post_processor: mapParts(document.post_processor, 'RobertaProcessing', spaced),
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

/** The parts of a pre-tokenizer or post-processor, each of a type changed. */
export function mapParts<Part extends { type: string } | null>(
  part: Part,
  type: string,
  change: (part: Json) => Json,
): Part {
  const json = part as Json | null;
  for (const list of ['pretokenizers', 'processors']) {
    const parts = json?.[list];
    if (Array.isArray(parts))
      return { ...json, [list]: parts.map((inner) => mapParts(inner, type, change)) } as unknown as Part;
  }
  return json?.type === type ? (change(json) as unknown as Part) : part;
}

interface BorderToken {
  name: string;
  id: number;
}

/** The post-processor with other tokens at the ends of a sequence; null for an end that stays. */
export function withBorders(
  processor: TokenizerDocument['post_processor'],
  cls: BorderToken | null,
  sep: BorderToken | null,
): TokenizerDocument['post_processor'] {
  const before = borderTokens(processor);
  if (before === null) return cls && sep ? template(cls, sep) : processor;
  const names: Record<string, BorderToken | null> = { [before.cls]: cls, [before.sep]: sep };
  const pair = (token: unknown, other: BorderToken | null) => (other ? [other.name, other.id] : token);
  const paired = (part: Json) => ({ ...part, cls: pair(part.cls, cls), sep: pair(part.sep, sep) });
  const renamed = (items: unknown) =>
    (items as Json[]).map((item) => {
      const { id, ...rest } = (item.SpecialToken ?? {}) as Json;
      return typeof id === 'string' ? { SpecialToken: { id: names[id]?.name ?? id, ...rest } } : item;
    });
  const retold = (part: Json) => ({
    ...part,
    single: renamed(part.single),
    pair: renamed(part.pair ?? []),
    special_tokens: { ...(part.special_tokens as Json), ...tokenTable(cls, sep) },
  });
  const types = { BertProcessing: paired, RobertaProcessing: paired, TemplateProcessing: retold };
  return Object.entries(types).reduce((part, [type, change]) => mapParts(part, type, change), processor);
}

function template(cls: BorderToken, sep: BorderToken): { type: string } {
  const special = ({ name }: BorderToken) => ({ SpecialToken: { id: name, type_id: 0 } });
  const words = { Sequence: { id: 'A', type_id: 0 } };
  const single = [special(cls), words, special(sep)];
  const pair = [
    ...single,
    { Sequence: { id: 'B', type_id: 1 } },
    { SpecialToken: { id: sep.name, type_id: 1 } },
  ];
  return { type: 'TemplateProcessing', ...{ single, pair, special_tokens: tokenTable(cls, sep) } };
}

function tokenTable(...tokens: (BorderToken | null)[]): Json {
  const given = tokens.filter((token) => token !== null);
  return Object.fromEntries(given.map(({ name, id }) => [name, { id: name, ids: [id], tokens: [name] }]));
}

/** The token of a role as tokenizer_config.json names it. */
export function tokenOf(config: Json, role: string): string | undefined {
  return contentOf(config[`${role}_token`]);
}

/** A token's text, given as itself or with its flags. */
export function contentOf(token: unknown): string | undefined {
  const content = isObject(token) ? token.content : token;
  return typeof content === 'string' ? content : undefined;
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
