import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { isLfsPointer, LFS_POINTER } from '../io/git-lfs.js';
import { isObject, type Json, parseJson } from '../io/json.js';
import { checkDocument } from './check-document.js';
import { configuredDocument, type TokenizerNeighbours } from './configured-document.js';
import { sentencePieceDocument } from './sentencepiece-document.js';
import { addsPrefixSpace, specialTokensOf } from './sequence-layout.js';
import {
  type BertNormalizerSettings,
  documentOfVocabulary,
  type SpecialTokens,
  type TokenizerDocument,
} from './tokenizer-document.js';
import { malformed, unsupported } from './tokenizer-file.js';
import { nativeParts } from './tokenizer-rules.js';

/** Classes that are computed in Python, before their vocabulary is looked at. */
const PYTHON_CLASSES = /^BertJapanese/;

/** Files that hold a vocabulary, the one that is preferred first. */
export const VOCABULARY_FILES = [
  'tokenizer.json',
  'vocab.txt',
  'sentencepiece.bpe.model',
  'spiece.model',
  'spm.model',
] as const;

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
 * Reads tokenizer.json, vocab.txt or a SentencePiece model with the settings that the files beside it state, as Transformers does.
 *
 * @param path one of the files, or a directory; in a directory tokenizer.json comes first.
 * @param lowercase overrides what the files say. @default what they say, else true
 * @throws FILE_NOT_FOUND, DATA_FORMAT, UNSUPPORTED_MODEL
 */
export async function readTokenizer(path: string, lowercase?: boolean): Promise<TokenizerSource> {
  const file = await tokenizerFile(path);
  const neighbours = await readNeighbours(dirname(file));
  const content = await readFile(file);
  return tokenizerSource(file, content, neighbours, lowercase);
}

/** The same for the file's content. */
export function tokenizerSource(
  file: string,
  content: Uint8Array,
  neighbours: TokenizerNeighbours,
  lowercase?: boolean,
): TokenizerSource {
  const { config } = neighbours;
  const read = documentOf(file, content, neighbours);
  const stated = checkDocument(read, file);
  // What cannot be read is said, also where the class puts something else in its place.
  nativeParts(stated, file);
  const configured = configuredDocument(stated, neighbours);
  const document = checkDocument(addsPrefixSpace(configured), file);
  return {
    document: lowercase === undefined ? document : relowercased(document, lowercase, file),
    specials: specialTokensOf(config, document),
    file,
    config,
  };
}

function documentOf(file: string, content: Uint8Array, { config, modelType }: TokenizerNeighbours): Json {
  if (file.endsWith('.model')) {
    checkPointer(file, content);
    return sentencePieceDocument(file, content, config.tokenizer_class ?? modelType);
  }
  const text = decoded(file, content);
  return file.endsWith('.json') ? parseObject(file, text) : vocabularyDocument(file, text, config);
}

async function tokenizerFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile()) return path;
  if (found === null) {
    throw notFound(
      `${path} does not exist. Name a tokenizer.json, a vocab.txt, a SentencePiece model or the directory of one.`,
      path,
    );
  }
  for (const name of VOCABULARY_FILES) {
    if (await stat(join(path, name)).catch(() => null)) return join(path, name);
  }
  throw notFound(`${path} holds none of ${VOCABULARY_FILES.join(', ')}. Name a directory that does.`, path);
}

/** The document of a vocab.txt, which is BERT's. */
function vocabularyDocument(file: string, text: string, config: Json): TokenizerDocument {
  const { tokenizer_class: name } = config;
  if (typeof name === 'string' && PYTHON_CLASSES.test(name)) {
    throw unsupported(
      file,
      `a vocabulary of ${name}, which splits words by a dictionary of its own`,
      "BERT's",
    );
  }
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw malformed(file, 'expected one token a line, got an empty file');
  const settings = {
    lowercase: booleanOf(config, 'do_lower_case') ?? true,
    stripAccents: booleanOf(config, 'strip_accents'),
    handleChineseChars: booleanOf(config, 'tokenize_chinese_chars') ?? true,
    specials: specialTokensOf(config, null),
  };
  return documentOfVocabulary(lines, settings, file);
}

/** What lies beside the file; any of it may be missing. */
async function readNeighbours(directory: string): Promise<TokenizerNeighbours> {
  const readBeside = async (name: string): Promise<Json> => {
    const file = join(directory, name);
    return (await stat(file).catch(() => null)) ? parseObject(file, decoded(file, await readFile(file))) : {};
  };
  const config = await readBeside('tokenizer_config.json');
  const { model_type: modelType } = await readBeside('config.json');
  // A configuration that lists the added tokens is of a version that has everything in one file.
  if (isObject(config.added_tokens_decoder)) return { config, added: {}, modelType };
  const specials = await readBeside('special_tokens_map.json');
  return { config: { ...config, ...specials }, added: await readBeside('added_tokens.json'), modelType };
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

function parseObject(file: string, text: string): Json {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw malformed(file, `it is not JSON: ${(cause as Error).message}`);
  }
  if (!isObject(json)) throw malformed(file, 'expected a JSON object');
  return json;
}

function decoded(file: string, bytes: Uint8Array): string {
  checkPointer(file, bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed(file, 'it is not UTF-8');
  }
}

function checkPointer(file: string, bytes: Uint8Array): void {
  if (isLfsPointer(bytes)) throw new PermafrostError('DATA_FORMAT', `${file} ${LFS_POINTER}.`, { file });
}

function booleanOf(config: Json, field: string): boolean | null {
  const value = config[field];
  return typeof value === 'boolean' ? value : null;
}

function notFound(message: string, path: string): PermafrostError {
  return new PermafrostError('FILE_NOT_FOUND', message, { path });
}
