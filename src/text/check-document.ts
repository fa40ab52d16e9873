import { isObject, type Json } from '../io/json.js';
import { checkCharacterMap } from './check-character-map.js';
import { checkPostProcessor } from './sequence-layout.js';
import {
  type AddedToken,
  BERT_SPECIAL_TOKENS,
  type BytePairDocument,
  type TokenizerDocument,
  type UnigramDocument,
  type WordPieceDocument,
} from './tokenizer-document.js';
import { malformed, unsupported } from './tokenizer-file.js';

/**
 * Checks the content of a tokenizer.json and fills in what may be left out.
 *
 * @throws DATA_FORMAT; UNSUPPORTED_MODEL for what would be encoded otherwise than by Hugging Face
 */
export function checkDocument(json: Json, file: string): TokenizerDocument {
  if (!isObject(json.model)) throw malformed(file, 'expected a field "model" with a vocabulary, found none');
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) throw malformed(file, 'expected added_tokens to be a list');
  for (const token of added as unknown[]) {
    if (!isObject(token) || typeof token.content !== 'string' || token.content === '') {
      throw malformed(file, 'expected each of added_tokens to have an id and a content');
    }
    checkId(token.id, token.content, file);
    if (token.single_word === true) {
      throw unsupported(
        file,
        `an added token with single_word (${JSON.stringify(token.content)})`,
        'added tokens without',
      );
    }
  }
  for (const field of ['normalizer', 'pre_tokenizer', 'post_processor']) checkPart(json[field], field, file);
  checkPostProcessor(json.post_processor, file);
  return {
    ...json,
    added_tokens: added as AddedToken[],
    normalizer: (json.normalizer ?? null) as TokenizerDocument['normalizer'],
    pre_tokenizer: (json.pre_tokenizer ?? null) as TokenizerDocument['pre_tokenizer'],
    post_processor: (json.post_processor ?? null) as TokenizerDocument['post_processor'],
    model: { ...json.model, ...checkModel(json.model, file) },
  };
}

/** Lists of parts, and of what a template lays out. */
const LISTS = ['normalizers', 'pretokenizers', 'processors', 'single', 'pair'];

/** What is read of a normalizer, pre-tokenizer or post-processor has the form that it is read in. */
function checkPart(part: unknown, field: string, file: string): void {
  if (part === null || part === undefined) return;
  if (!isObject(part) || typeof part.type !== 'string') {
    throw malformed(file, `expected ${field} to be an object with a type`);
  }
  checkCharacterMap(part, file);
  for (const list of LISTS) {
    const parts = part[list] ?? [];
    if (!Array.isArray(parts) || !parts.every(isObject)) {
      throw malformed(file, `expected ${field}.${list} to be a list of objects`);
    }
    if (list !== 'single' && list !== 'pair')
      for (const inner of parts) checkPart(inner, `${field}.${list}`, file);
  }
}

function checkModel(model: Json, file: string): TokenizerDocument['model'] {
  switch (model.type ?? 'WordPiece') {
    case 'WordPiece':
      return checkWordPiece(model, file);
    case 'BPE':
      return checkBytePair(model, file);
    case 'Unigram':
      return checkUnigram(model, file);
    default:
      throw unsupported(file, `model type ${JSON.stringify(model.type)}`, 'WordPiece, BPE or Unigram');
  }
}

function checkWordPiece(model: Json, file: string): WordPieceDocument {
  const { unk_token: unknown, continuing_subword_prefix: prefix, max_input_chars_per_word: longest } = model;
  return {
    type: 'WordPiece',
    unk_token: typeof unknown === 'string' ? unknown : BERT_SPECIAL_TOKENS.unk,
    continuing_subword_prefix: typeof prefix === 'string' ? prefix : '##',
    max_input_chars_per_word: typeof longest === 'number' ? longest : 100,
    vocab: checkVocabulary(model.vocab, file),
  };
}

function checkBytePair(model: Json, file: string): BytePairDocument {
  refuse(model, ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback'], file);
  if (!Array.isArray(model.merges)) throw malformed(file, 'expected model.merges to be a list');
  return {
    type: 'BPE',
    unk_token: typeof model.unk_token === 'string' ? model.unk_token : null,
    fuse_unk: model.fuse_unk === true,
    ignore_merges: model.ignore_merges === true,
    vocab: checkVocabulary(model.vocab, file),
    merges: model.merges.map((merge: unknown): [string, string] => {
      const pair = typeof merge === 'string' ? merge.split(' ') : merge;
      const isPair =
        Array.isArray(pair) && pair.length === 2 && pair.every((half) => typeof half === 'string');
      if (isPair) return pair as [string, string];
      throw malformed(file, `expected each of model.merges to be two tokens, got ${JSON.stringify(merge)}`);
    }),
  };
}

function checkUnigram(model: Json, file: string): UnigramDocument {
  refuse(model, ['byte_fallback'], file);
  const { vocab, unk_id: unknown } = model;
  const isEntry = (entry: unknown) =>
    Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number';
  if (!Array.isArray(vocab) || !vocab.every(isEntry)) {
    throw malformed(file, 'expected model.vocab to be a list of tokens with their scores');
  }
  if (!Number.isSafeInteger(unknown) || (unknown as number) < 0 || (unknown as number) >= vocab.length) {
    throw malformed(
      file,
      `expected model.unk_id to be one of the ${vocab.length} tokens, got ${JSON.stringify(unknown)}`,
    );
  }
  return { type: 'Unigram', unk_id: unknown as number, vocab: vocab as [string, number][] };
}

function checkVocabulary(vocab: unknown, file: string): Record<string, number> {
  if (!isObject(vocab)) throw malformed(file, 'expected model.vocab to map tokens to ids');
  for (const [token, id] of Object.entries(vocab)) checkId(id, token, file);
  return vocab as Record<string, number>;
}

/** Settings of a model that change its tokens and are not computed here. */
function refuse(model: Json, settings: readonly string[], file: string): void {
  for (const name of settings) {
    const value = model[name];
    if (value === undefined || value === null || value === false || value === '' || value === 0) continue;
    throw unsupported(file, `model.${name} ${JSON.stringify(value)}`, 'none');
  }
}

function checkId(id: unknown, token: string, file: string): void {
  if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 24) return;
  throw malformed(
    file,
    `expected a whole number from 0 as id of ${JSON.stringify(token)}, got ${JSON.stringify(id)}`,
  );
}
