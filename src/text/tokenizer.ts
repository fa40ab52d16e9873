import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import type { HubOptions } from '../hub/snapshot.js';
import { locateTokenizer } from '../hub/tokenizer-files.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { digestOf } from '../io/digest.js';
import { type EncodedText, type TextEncoder, textEncoder } from './encode-text.js';
import { type LearnVocabularyOptions, learnVocabulary } from './learn-vocabulary.js';
import { readTokenizer, type TokenizerSource } from './read-tokenizer.js';
import { tokenizerConfig } from './tokenizer-config.js';
import {
  BERT_SPECIAL_TOKENS,
  documentOfVocabulary,
  requireSpecials,
  type SpecialTokens,
  type TokenizerDocument,
  vocabularyOf,
} from './tokenizer-document.js';
import { bertLowercase, nativeParts, rulesOf } from './tokenizer-rules.js';
import { WordPieces } from './word-pieces.js';

/** A sentence as token ids. */
export interface EncodedWords {
  /** Token ids with the special tokens around a sequence, such as `[CLS]` and `[SEP]` or `<s>` and `</s>`. */
  inputIds: number[];
  /** Index of each token's word, null on `[CLS]` and `[SEP]`. */
  wordIds: (number | null)[];
  /** Words whose first sub-token was cut off. */
  truncatedWords: number;
  /** 1 where the last word that is left lost a part of its sub-tokens, else 0. */
  partialWords: number;
}

export interface EncodeOptions {
  /** Most tokens, `[CLS]` and `[SEP]` included; at least 3. @default 512 */
  maxLength?: number;
}

export interface TokenizerOptions {
  /** Overrides what the files say. @default what they say, else true */
  lowercase?: boolean;
  /** How the tokenizer of a model of the Hub is fetched. */
  hub?: HubOptions;
}

const DEFAULT_MAX_LENGTH = 512;

/**
 * A tokenizer for text that is already split into words: WordPiece as in BERT, byte-pair encoding as in RoBERTa, or
 * SentencePiece's unigram model as in XLM-RoBERTa, CamemBERT and DeBERTa-v3. Gives the ids of Hugging Face's.
 *
 * Normalizer and pre-tokenizer are those of the `tokenizers` package; each unique word goes through them once.
 */
export class Tokenizer {
  /** Number of token ids; the embedding table needs as many rows. */
  readonly vocabSize: number;
  /** The same without the tokens that were added to the vocabulary. */
  readonly ownVocabSize: number;
  readonly padId: number;
  readonly unkId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly maskId: number;
  /** Sub-tokens by word, for encoding many sentences without an object a token. */
  readonly pieces: WordPieces;
  /** File that the vocabulary came from; for messages. */
  readonly file: string;
  readonly #document: TokenizerDocument;
  readonly #specials: SpecialTokens;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #config: Readonly<Record<string, unknown>>;
  #encoder: TextEncoder | null = null;
  #tokens: string[] | null = null;
  #digest: string | null = null;

  private constructor({ document, specials, file, config }: TokenizerSource) {
    const vocab = vocabularyOf(document);
    const ids = new Map(vocab);
    for (const { content, id } of document.added_tokens) ids.set(content, id);
    const roles = requireSpecials(ids, specials, file);
    this.padId = roles.pad;
    this.unkId = roles.unk;
    this.clsId = roles.cls;
    this.sepId = roles.sep;
    this.maskId = roles.mask;
    const sizeOf = (of: ReadonlyMap<string, number>) =>
      [...of.values()].reduce((most, id) => Math.max(most, id + 1), 0);
    this.vocabSize = sizeOf(ids);
    this.ownVocabSize = sizeOf(vocab);
    this.pieces = new WordPieces(rulesOf(document, vocab, roles.unk, file));
    this.#document = document;
    this.file = file;
    this.#config = config;
    this.#specials = specials;
    this.#ids = ids;
  }

  /**
   * Reads a tokenizer.json, a vocab.txt, a SentencePiece model, or a directory that holds one of them (tokenizer.json comes
   * first); or the tokenizer of a model of the Hub by its name.
   *
   * A vocab.txt takes case folding and special tokens from tokenizer_config.json beside it, a tokenizer.json those
   * special tokens that it does not state itself.
   *
   * @throws FILE_NOT_FOUND; DATA_FORMAT for a broken file or a missing special token; UNSUPPORTED_MODEL for a
   * tokenizer.json of another kind than WordPiece, BPE or Unigram.
   */
  static async load(path: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
    return new Tokenizer(await readTokenizer(await locateTokenizer(path, options.hub), options.lowercase));
  }

  /** Makes a tokenizer of what was read. @internal */
  static of(source: TokenizerSource): Tokenizer {
    return new Tokenizer(source);
  }

  /**
   * Makes a tokenizer from the tokens of a vocabulary; the position is the id.
   *
   * @throws DATA_FORMAT where `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` or `[MASK]` is missing.
   */
  static fromVocab(tokens: readonly string[], options: { lowercase: boolean }): Tokenizer {
    const file = 'The given vocabulary';
    const document = documentOfVocabulary(tokens, options, file);
    return new Tokenizer({ document, specials: BERT_SPECIAL_TOKENS, file, config: {} });
  }

  /** Whether words are lowercased; null where the tokenizer.json has a normalizer of its own. */
  get lowercase(): boolean | null {
    return bertLowercase(this.#document);
  }

  /** SHA-256 of vocabulary and rules; the same for vocab.txt and the tokenizer.json that goes with it. */
  get digest(): string {
    const { added_tokens, normalizer, pre_tokenizer, model } = this.#document;
    const rules = { added_tokens, normalizer, pre_tokenizer, ...model, vocab: this.tokens() };
    const scores = model.type === 'Unigram' && { scores: model.vocab.map(([, score]) => score) };
    this.#digest ??= digestOf({ ...rules, ...scores, specials: this.#specials });
    return this.#digest;
  }

  /** Text of each token id; an id that no token has reads `[unused:ID]`. */
  tokens(): readonly string[] {
    if (this.#tokens === null) {
      this.#tokens = Array.from({ length: this.vocabSize }, (_, id) => `[unused:${id}]`);
      for (const [token, id] of this.#ids) this.#tokens[id] = token;
    }
    return this.#tokens;
  }

  /** Id of a token's exact text, undefined where there is none. */
  tokenId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Ids of a word's sub-tokens; none where nothing of the word is left. */
  wordPieces(word: string): Int32Array {
    const start = this.pieces.find(word);
    const { pool } = this.pieces;
    return pool.slice(start + 1, start + 1 + pool[start]!);
  }

  /**
   * Encodes the words of a sentence as `[CLS] … [SEP]`, cut at the maximum length.
   *
   * A word of which nothing is left (zero-width characters) has no token; the indices of the others do not move.
   *
   * @throws INVALID_OPTION for a maximum length below 3.
   */
  encodeWords(words: readonly string[], options: EncodeOptions = {}): EncodedWords {
    const room = requireMaxLength(options.maxLength ?? DEFAULT_MAX_LENGTH) - 1;
    const encoded: EncodedWords = {
      inputIds: [this.clsId],
      wordIds: [null],
      truncatedWords: 0,
      partialWords: 0,
    };
    const { inputIds, wordIds } = encoded;
    for (let word = 0; word < words.length; word++) {
      const start = this.pieces.find(words[word]!);
      const { pool } = this.pieces;
      const count = pool[start]!;
      const taken = Math.min(count, room - inputIds.length);
      if (taken < count) encoded[taken === 0 ? 'truncatedWords' : 'partialWords']++;
      for (let i = 1; i <= taken; i++) {
        inputIds.push(pool[start + i]!);
        wordIds.push(word);
      }
    }
    inputIds.push(this.sepId);
    wordIds.push(null);
    return encoded;
  }

  /**
   * Encodes running text, without special tokens and without a limit: the ids that Hugging Face's fast tokenizer gives,
   * with exact places in the text.
   *
   * @throws UNSUPPORTED_MODEL where the `tokenizers` package cannot read the tokenizer; DATA_FORMAT where its vocabulary
   *   lacks the unknown token that the text needs
   */
  async encodeText(text: string): Promise<EncodedText> {
    this.#encoder ??= textEncoder(this.#document, this.file);
    return this.#encoder(text);
  }

  /** Prefix of the sub-tokens that go on inside a word (`##`), null where the tokenizer marks them otherwise. */
  get continuingPrefix(): string | null {
    const { model } = this.#document;
    return model.type === 'WordPiece' ? model.continuing_subword_prefix || null : null;
  }

  /**
   * Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and, for WordPiece, vocab.txt, as Hugging
   * Face reads them.
   *
   * @param options.maxLength most tokens that the model takes; Hugging Face's pipelines cut longer texts there.
   * @throws WRITE_FAILED
   */
  async save(directory: string, { maxLength }: { maxLength?: number } = {}): Promise<void> {
    const names = Object.entries(this.#specials).map(([role, token]) => [`${role}_token`, token]);
    const specials = Object.fromEntries(names) as Record<string, string>;
    const config = {
      ...tokenizerConfig(this.#document, this.#config),
      ...(maxLength !== undefined && { model_max_length: maxLength }),
      ...specials,
    };
    const write = (name: string, text: string) => writeFileAtomic(join(directory, name), text);
    if (this.#document.model.type === 'WordPiece') {
      await write('vocab.txt', `${this.tokens().join('\n')}\n`);
    }
    await write('special_tokens_map.json', `${JSON.stringify(specials, null, 2)}\n`);
    await write('tokenizer_config.json', `${JSON.stringify(config, null, 2)}\n`);
    await write('tokenizer.json', `${JSON.stringify(this.#document, null, 2)}\n`);
  }
}

/** Settings of {@link trainWordPiece}. */
export interface TrainWordPieceOptions extends LearnVocabularyOptions {
  lowercase: boolean;
}

/**
 * Learns a vocabulary from words, as frequent as they come, and makes the tokenizer for it.
 *
 * The same words give the same vocabulary on every platform.
 *
 * @throws INVALID_OPTION
 */
export function trainWordPiece(words: Iterable<string>, options: TrainWordPieceOptions): Tokenizer {
  const { lowercase, ...learning } = options;
  return Tokenizer.fromVocab(learnVocabulary(pieceCounts(words, lowercase), learning), { lowercase });
}

/** How often each piece comes up that normalizer and pre-tokenizer make of the words. */
function pieceCounts(words: Iterable<string>, lowercase: boolean): Map<string, number> {
  const specials = Object.values(BERT_SPECIAL_TOKENS);
  const { normalizer, pre_tokenizer } = documentOfVocabulary(specials, { lowercase }, '');
  const parts = nativeParts({ normalizer, pre_tokenizer }, '');
  const wordCounts = new Map<string, number>();
  for (const word of words) wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
  const counts = new Map<string, number>();
  for (const [word, count] of wordCounts) {
    for (const [piece] of parts.preTokenizer!.preTokenizeString(parts.normalize(word))) {
      counts.set(piece, (counts.get(piece) ?? 0) + count);
    }
  }
  return counts;
}

/** @throws INVALID_OPTION for less than `[CLS]`, one sub-token and `[SEP]`. */
export function requireMaxLength(maxLength: number): number {
  if (Number.isSafeInteger(maxLength) && maxLength >= 3) return maxLength;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`maxLength\`: expected a whole number from 3 ([CLS], one sub-token, [SEP]), got ${maxLength}.`,
    { option: 'maxLength', got: maxLength },
  );
}
