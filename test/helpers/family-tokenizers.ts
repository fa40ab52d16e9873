import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BPE,
  byteLevelAlphabet,
  byteLevelPreTokenizer,
  type Model,
  metaspacePreTokenizer,
  Tokenizer as NativeTokenizer,
  type PreTokenizer,
  Unigram,
} from '@anush008/tokenizers';

type Json = Record<string, unknown>;

/** A tokenizer.json as a family's checkpoints have it, with a small vocabulary trained on `text`. */
export interface FamilyTokenizer {
  document: Json;
  /** What the family's tokenizer_config.json says. */
  config: Json;
  /** Ids of the special tokens: first, last, padding, unknown. */
  ids: { cls: number; sep: number; pad: number; unk: number };
}

const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
const NORMALIZE = [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }];

/** Byte-pair encoding of bytes, `<s> … </s>`, without a space before the first word, as the Hub's files have it. */
export function robertaTokenizer(text: string): FamilyTokenizer {
  const trained = train(text, BPE.empty(), byteLevelPreTokenizer(true));
  const tokens = ['<s>', '<pad>', '</s>', '<unk>', ...Object.keys(trained.vocab as Json)];
  for (const byte of byteLevelAlphabet()) if (!tokens.includes(byte)) tokens.push(byte);
  tokens.push('<mask>');
  return {
    document: {
      ...EMPTY,
      added_tokens: addedTokens(tokens, ['<s>', '<pad>', '</s>', '<unk>', '<mask>']),
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: {
        type: 'RobertaProcessing',
        sep: ['</s>', 2],
        cls: ['<s>', 0],
        trim_offsets: true,
        add_prefix_space: false,
      },
      model: {
        ...trained,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: (trained.merges as [string, string][]).map((pair) => pair.join(' ')),
      },
    },
    config: { tokenizer_class: 'RobertaTokenizer', model_max_length: 512 },
    ids: { cls: 0, sep: 2, pad: 1, unk: 3 },
  };
}

export function xlmRobertaTokenizer(text: string): FamilyTokenizer {
  const document = sentencePiece(text, ['<s>', '<pad>', '</s>', '<unk>'], ['<mask>'], '<unk>');
  return {
    document: {
      ...document,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, METASPACE] },
      post_processor: template('<s>', 0, '</s>', 2),
    },
    config: { tokenizer_class: 'XLMRobertaTokenizer' },
    ids: { cls: 0, sep: 2, pad: 1, unk: 3 },
  };
}

/** The special tokens around a sequence are not the vocabulary's first ones. */
export function camembertTokenizer(text: string): FamilyTokenizer {
  const head = ['<s>NOTUSED', '<pad>', '</s>NOTUSED', '<unk>', '<unk>NOTUSED', '<s>', '</s>'];
  const document = sentencePiece(text, head, ['<mask>'], '<unk>');
  return {
    document: {
      ...document,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, METASPACE] },
      post_processor: template('<s>', 5, '</s>', 6),
    },
    config: { tokenizer_class: 'CamembertTokenizer' },
    ids: { cls: 5, sep: 6, pad: 1, unk: 3 },
  };
}

/** SentencePiece with BERT's special tokens. */
export function debertaTokenizer(text: string): FamilyTokenizer {
  const document = sentencePiece(text, ['[PAD]', '[CLS]', '[SEP]', '[UNK]'], ['[MASK]'], '[UNK]');
  return {
    document: {
      ...document,
      normalizer: {
        type: 'Sequence',
        normalizers: [{ type: 'Strip', strip_left: true, strip_right: true }, ...NORMALIZE],
      },
      pre_tokenizer: METASPACE,
      post_processor: template('[CLS]', 1, '[SEP]', 2),
    },
    config: { tokenizer_class: 'DebertaV2Tokenizer', split_by_punct: false },
    ids: { cls: 1, sep: 2, pad: 0, unk: 3 },
  };
}

/** What the `tokenizers` package makes of words that follow a space each. */
export function nativeTokenizer({ document }: FamilyTokenizer): NativeTokenizer {
  const spaced = JSON.stringify(document).replaceAll('"add_prefix_space":false', '"add_prefix_space":true');
  return NativeTokenizer.fromString(spaced);
}

const EMPTY = { version: '1.0', truncation: null, padding: null, normalizer: null, decoder: null };

function sentencePiece(text: string, first: string[], last: string[], unknown: string): Json {
  const trained = train(text, Unigram.empty(), metaspacePreTokenizer());
  const special = (token: string): [string, number] => [token, 0];
  const pieces = (trained.vocab as [string, number][]).filter(([token]) => !token.includes('\n'));
  const vocab = [...first.map(special), ...pieces, ...last.map(special)];
  const tokens = vocab.map(([token]) => token);
  const specials = [...first, ...last].filter((token) => !token.endsWith('NOTUSED'));
  return {
    ...EMPTY,
    normalizer: { type: 'Sequence', normalizers: NORMALIZE },
    added_tokens: addedTokens(tokens, specials),
    model: { type: 'Unigram', unk_id: tokens.indexOf(unknown), vocab, byte_fallback: false },
  };
}

function train(text: string, model: Model, preTokenizer: PreTokenizer): Json {
  const directory = mkdtempSync(join(tmpdir(), 'permafrost-family-'));
  try {
    writeFileSync(join(directory, 'text.txt'), text);
    const native = new NativeTokenizer(model);
    native.setPreTokenizer(preTokenizer);
    native.train([join(directory, 'text.txt')]);
    native.save(join(directory, 'tokenizer.json'));
    return JSON.parse(readFileSync(join(directory, 'tokenizer.json'), 'utf8')).model;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function addedTokens(tokens: string[], specials: string[]): Json[] {
  return specials.map((content) => ({
    id: tokens.indexOf(content),
    content,
    single_word: false,
    lstrip: content.toLowerCase().includes('mask'),
    rstrip: false,
    normalized: content === '[UNK]',
    special: true,
  }));
}

function template(cls: string, clsId: number, sep: string, sepId: number): Json {
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const entry = (id: string, number: number) => ({ id, ids: [number], tokens: [id] });
  return {
    type: 'TemplateProcessing',
    single: [special(cls), sequence('A'), special(sep)],
    pair: [special(cls), sequence('A'), special(sep), sequence('B'), special(sep)],
    special_tokens: { [cls]: entry(cls, clsId), [sep]: entry(sep, sepId) },
  };
}
