import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { checkDocument } from './check-document.js';
import { addsPrefixSpace, specialTokensOf } from './sequence-layout.js';
import {
  type AddedToken,
  type BertNormalizerSettings,
  documentOfVocabulary,
  type SpecialTokens,
  type TokenizerDocument,
} from './tokenizer-document.js';
import { isObject, type Json, malformed } from './tokenizer-file.js';

/** A tokenizer as its files describe it. */
export interface TokenizerSource {
  document: TokenizerDocument;
  specials: SpecialTokens;
  /** File that the vocabulary came from. */
  file: string;
  /** Content of tokenizer_config.json and special_tokens_map.json beside it. */
  config: Json;
}

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
  if (!file.endsWith('.json')) {
    const specials = specialTokensOf(config, null);
    const settings = {
      lowercase: lowercase ?? booleanOf(config, 'do_lower_case') ?? true,
      stripAccents: booleanOf(config, 'strip_accents'),
      handleChineseChars: booleanOf(config, 'tokenize_chinese_chars') ?? true,
      specials,
    };
    const document = documentOfVocabulary(await readVocabulary(file), settings, file);
    return { document: withConfiguredTokens(document, config, file), specials, file, config };
  }
  const document = addsPrefixSpace(checkDocument(await readJson(file), file));
  return {
    document: lowercase === undefined ? document : relowercased(document, lowercase, file),
    specials: specialTokensOf(config, document),
    file,
    config,
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

function notFound(message: string, path: string): PermafrostError {
  return new PermafrostError('FILE_NOT_FOUND', message, { path });
}
