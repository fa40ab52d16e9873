import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import {
  type AddedToken,
  BERT_SPECIAL_TOKENS,
  type BertNormalizerSettings,
  documentOfVocabulary,
  type SpecialTokens,
  type TokenizerDocument,
} from './tokenizer-document.js';

/** A tokenizer as its files describe it. */
export interface TokenizerSource {
  document: TokenizerDocument;
  specials: SpecialTokens;
  /** File that the vocabulary came from. */
  file: string;
}

type Json = Record<string, unknown>;

/**
 * Reads tokenizer.json, or vocab.txt with the settings that tokenizer_config.json beside it states.
 *
 * @param path one of the files, or a directory; in a directory tokenizer.json comes first.
 * @param lowercase overrides what the files say. @default what they say, else true
 * @throws FILE_NOT_FOUND, DATA_FORMAT, UNSUPPORTED_MODEL
 */
export async function readTokenizer(path: string, lowercase?: boolean): Promise<TokenizerSource> {
  const file = await tokenizerFile(path);
  const config = await readConfig(dirname(file));
  const specials = specialTokensOf(config);
  if (!file.endsWith('.json')) {
    const settings = {
      lowercase: lowercase ?? booleanOf(config, 'do_lower_case') ?? true,
      stripAccents: booleanOf(config, 'strip_accents'),
      handleChineseChars: booleanOf(config, 'tokenize_chinese_chars') ?? true,
      specials,
    };
    const document = documentOfVocabulary(await readVocabulary(file), settings, file);
    return { document: withConfiguredTokens(document, config, file), specials, file };
  }
  const document = checkDocument(await readJson(file), file);
  return {
    document: lowercase === undefined ? document : relowercased(document, lowercase, file),
    specials,
    file,
  };
}

async function tokenizerFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile()) return path;
  if (found === null) {
    throw notFound(
      `${path} does not exist. Name a tokenizer.json, a vocab.txt or the directory of one.`,
      path,
    );
  }
  for (const name of ['tokenizer.json', 'vocab.txt']) {
    if (await stat(join(path, name)).catch(() => null)) return join(path, name);
  }
  throw notFound(`${path} holds neither tokenizer.json nor vocab.txt. Name a directory that does.`, path);
}

async function readVocabulary(file: string): Promise<string[]> {
  const lines = (await readText(file)).split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw malformed(file, 'expected one token a line, got an empty file');
  return lines;
}

/** tokenizer_config.json and special_tokens_map.json as one; either may be missing. */
async function readConfig(directory: string): Promise<Json> {
  const config: Json = {};
  for (const name of ['special_tokens_map.json', 'tokenizer_config.json']) {
    const file = join(directory, name);
    if (await stat(file).catch(() => null)) Object.assign(config, await readJson(file));
  }
  return config;
}

function specialTokensOf(config: Json): SpecialTokens {
  const roles = Object.keys(BERT_SPECIAL_TOKENS) as (keyof SpecialTokens)[];
  const named = roles.map((role) => {
    const token = config[`${role}_token`];
    const content = isObject(token) ? token.content : token;
    return [role, typeof content === 'string' ? content : BERT_SPECIAL_TOKENS[role]];
  });
  return Object.fromEntries(named) as unknown as SpecialTokens;
}

/** Tokens that were added to a vocabulary file's later; Hugging Face lists them in `added_tokens_decoder`. */
function withConfiguredTokens(document: TokenizerDocument, config: Json, file: string): TokenizerDocument {
  const listed = isObject(config.added_tokens_decoder) ? Object.entries(config.added_tokens_decoder) : [];
  const known = new Set(document.added_tokens.map(({ content }) => content));
  const added = listed.flatMap(([id, token]): AddedToken[] => {
    if (!isObject(token) || typeof token.content !== 'string' || known.has(token.content)) return [];
    const flag = (name: string) => token[name] === true;
    return [
      {
        id: Number(id),
        content: token.content,
        single_word: flag('single_word'),
        lstrip: flag('lstrip'),
        rstrip: flag('rstrip'),
        normalized: flag('normalized'),
        special: flag('special'),
      },
    ];
  });
  const added_tokens = [...document.added_tokens, ...added].sort((a, b) => a.id - b.id);
  return checkDocument({ ...document, added_tokens }, file);
}

function relowercased(document: TokenizerDocument, lowercase: boolean, file: string): TokenizerDocument {
  const { normalizer } = document;
  if (normalizer?.type !== 'BertNormalizer') {
    throw new PermafrostError(
      'INVALID_OPTION',
      `lowercase: ${file} has a normalizer of its own (${normalizer?.type ?? 'none'}), which this option cannot ` +
        'change. Leave the option out.',
      { option: 'lowercase', file },
    );
  }
  return { ...document, normalizer: { ...(normalizer as BertNormalizerSettings), lowercase } };
}

function checkDocument(json: Json, file: string): TokenizerDocument {
  const model = json.model;
  if (!isObject(model)) throw malformed(file, 'expected a field "model" with a vocabulary, found none');
  if (model.type !== undefined && model.type !== 'WordPiece') {
    throw unsupported(file, `model type ${JSON.stringify(model.type)}`, 'WordPiece');
  }
  if (!isObject(model.vocab)) throw malformed(file, 'expected model.vocab to map tokens to ids');
  for (const [token, id] of Object.entries(model.vocab)) checkId(id, token, file);
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
  checkPostProcessor(json.post_processor, file);
  return {
    ...json,
    added_tokens: added as AddedToken[],
    normalizer: (json.normalizer ?? null) as TokenizerDocument['normalizer'],
    pre_tokenizer: (json.pre_tokenizer ?? null) as TokenizerDocument['pre_tokenizer'],
    post_processor: (json.post_processor ?? null) as TokenizerDocument['post_processor'],
    model: {
      ...model,
      type: 'WordPiece',
      unk_token: typeof model.unk_token === 'string' ? model.unk_token : BERT_SPECIAL_TOKENS.unk,
      continuing_subword_prefix:
        typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '##',
      max_input_chars_per_word:
        typeof model.max_input_chars_per_word === 'number' ? model.max_input_chars_per_word : 100,
      vocab: model.vocab as Record<string, number>,
    },
  };
}

/** Sequences are laid out as `[CLS] words [SEP]`; a file that says otherwise would be encoded wrongly. */
function checkPostProcessor(processor: unknown, file: string): void {
  if (processor === null || processor === undefined) return;
  const type = isObject(processor) ? processor.type : processor;
  if (type === 'BertProcessing') return;
  const single = isObject(processor) && Array.isArray(processor.single) ? processor.single : [];
  const layout = single.map((item) => (isObject(item) ? Object.keys(item)[0] : item)).join(' ');
  if (type === 'TemplateProcessing' && layout === 'SpecialToken Sequence SpecialToken') return;
  throw unsupported(file, `post-processor ${JSON.stringify(type)} (${layout})`, '[CLS] words [SEP]');
}

function checkId(id: unknown, token: string, file: string): void {
  if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31) return;
  throw malformed(
    file,
    `expected a whole number from 0 as id of ${JSON.stringify(token)}, got ${JSON.stringify(id)}`,
  );
}

async function readJson(file: string): Promise<Json> {
  const text = await readText(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw malformed(file, `it is not JSON: ${(cause as Error).message}`);
  }
  if (!isObject(json)) throw malformed(file, 'expected a JSON object');
  return json;
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed(file, 'it is not UTF-8');
  }
}

function booleanOf(config: Json, field: string): boolean | null {
  const value = config[field];
  return typeof value === 'boolean' ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(file: string, message: string): PermafrostError {
  return new PermafrostError(
    'DATA_FORMAT',
    `${file}: ${message}. Take the file as Hugging Face writes it (${basename(file).endsWith('.json') ? 'tokenizer.json' : 'vocab.txt'}).`,
    { file },
  );
}

function unsupported(file: string, got: string, expected: string): PermafrostError {
  return new PermafrostError('UNSUPPORTED_MODEL', `${file}: expected ${expected}, got ${got}.`, {
    file,
    got,
  });
}

function notFound(message: string, path: string): PermafrostError {
  return new PermafrostError('FILE_NOT_FOUND', message, { path });
}
