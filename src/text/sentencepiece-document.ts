import type { Json } from '../io/json.js';
import { type Field, fieldsOf, floatOf, textOf } from '../io/protobuf.js';
import type { AddedToken } from './tokenizer-document.js';
import { malformed, unsupported } from './tokenizer-file.js';

// Numbers of the fields in sentencepiece_model.proto, of the messages that are read.
const MODEL = { piece: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { type: 3, byteFallback: 35, unknownId: 40, unknownPiece: 45 } as const;
const NORMALIZER = { characterMap: 2 } as const;
const MODEL_TYPE = { unigram: 1, bytePair: 2 } as const;
const PIECE_TYPE = { normal: 1, userDefined: 4 } as const;

interface Piece {
  text: string;
  score: number;
  type: number;
}

interface SentencePieceModel {
  pieces: Piece[];
  type: number;
  byteFallback: boolean;
  unknownId: number;
  unknownPiece: string;
  /** Compiled rules by which characters are rewritten; null where there are none. */
  characterMap: Uint8Array | null;
}

/** How a class of Transformers numbers a SentencePiece model's pieces and puts its own tokens around them. */
interface Layout {
  /** Tokens that precede the pieces. */
  before: readonly (readonly [token: string, score: number])[];
  /** Leading pieces that they take the place of. */
  dropped: number;
  /** Role by role: the tokens that are looked for in text as a whole, and stand behind the pieces where they lack one. */
  specials: readonly string[];
  borders: readonly [cls: string, sep: string];
  normalizer(characterMap: Json | null): Json | null;
  preTokenizer: Json;
}

const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };

/** Fairseq's dictionary, which XLM-RoBERTa and CamemBERT were trained with, has tokens of its own before the pieces. */
const FAIRSEQ = {
  specials: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
  borders: ['<s>', '</s>'],
  normalizer: (characterMap) => characterMap,
  preTokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, METASPACE] },
} as const satisfies Partial<Layout>;

const XLM_ROBERTA: Layout = {
  ...FAIRSEQ,
  before: [
    ['<s>', 0],
    ['<pad>', 0],
    ['</s>', 0],
    ['<unk>', 0],
  ],
  dropped: 3,
};

const CAMEMBERT: Layout = {
  ...FAIRSEQ,
  before: [
    ['<s>NOTUSED', 0],
    ['<pad>', 0],
    ['</s>NOTUSED', 0],
    ['<unk>', 0],
    ['<unk>NOTUSED', -100],
  ],
  dropped: 1,
};

const DEBERTA_V2: Layout = {
  before: [],
  dropped: 0,
  specials: ['[PAD]', '[CLS]', '[SEP]', '[UNK]', '[MASK]'],
  borders: ['[CLS]', '[SEP]'],
  normalizer: (characterMap) => ({
    type: 'Sequence',
    normalizers: [
      { type: 'Strip', strip_left: true, strip_right: true },
      ...(characterMap ? [characterMap] : []),
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
    ],
  }),
  preTokenizer: METASPACE,
};

/** Layouts by the class of the tokenizer, or where there is none by the model's type. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  XLMRobertaTokenizer: XLM_ROBERTA,
  CamembertTokenizer: CAMEMBERT,
  DebertaV2Tokenizer: DEBERTA_V2,
  'xlm-roberta': XLM_ROBERTA,
  camembert: CAMEMBERT,
  'deberta-v2': DEBERTA_V2,
};

/**
 * The tokenizer.json that Transformers makes of a SentencePiece model (`sentencepiece.bpe.model`, `spm.model`).
 *
 * @param className `tokenizer_class` of tokenizer_config.json, else `model_type` of config.json, which says how ids are
 *   counted: the model alone does not
 * @throws DATA_FORMAT; UNSUPPORTED_MODEL for a class whose layout is not known, or a model of words or characters
 */
export function sentencePieceDocument(file: string, bytes: Uint8Array, className: unknown): Json {
  const layout = layoutOf(className);
  if (layout === null) {
    throw unsupported(
      file,
      `tokenizer_class ${JSON.stringify(className)}`,
      'XLMRobertaTokenizer, CamembertTokenizer or DebertaV2Tokenizer as tokenizer_class of tokenizer_config.json (else as ' +
        'model_type of config.json), since a SentencePiece model does not say how its ids are counted',
    );
  }
  const model = readModel(file, bytes);
  if (model.type !== MODEL_TYPE.unigram && model.type !== MODEL_TYPE.bytePair)
    throw unsupported(file, `a SentencePiece model of type ${model.type}`, 'one of unigrams or byte pairs');
  return document(file, model, layout);
}

function layoutOf(className: unknown): Layout | null {
  if (typeof className !== 'string') return null;
  const name = className.replace(/Fast$/, '');
  return Object.hasOwn(LAYOUTS, name) ? LAYOUTS[name]! : null;
}

function document(file: string, model: SentencePieceModel, layout: Layout): Json {
  const { before, dropped, specials } = layout;
  const pieces = model.pieces.slice(dropped);
  const known = new Set(pieces.map(({ text }) => text));
  for (const [token] of before) known.add(token);
  const vocab: [string, number][] = [
    ...before.map(([token, score]): [string, number] => [token, score]),
    ...pieces.map(({ text, score }): [string, number] => [text, score]),
  ];
  // The special tokens of CamemBERT are pieces of its model, those of others come behind.
  for (const token of specials) if (!known.has(token)) vocab.push([token, 0]);
  const ids = new Map(vocab.map(([token], id) => [token, id]));
  const userDefined = pieces.filter(({ type }) => type === PIECE_TYPE.userDefined).map(({ text }) => text);
  const added = [...new Set([...specials, ...userDefined])];
  const unknown = before.length > 0 ? '<unk>' : (model.pieces[model.unknownId]?.text ?? model.unknownPiece);
  const [cls, sep] = layout.borders;
  const { characterMap: map } = model;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added
      .map((content): AddedToken => {
        const special = specials.includes(content);
        const flags = { single_word: false, lstrip: content === '<mask>', rstrip: false, normalized: false };
        return { id: ids.get(content)!, content, ...flags, special };
      })
      .sort((a, b) => a.id - b.id),
    normalizer: layout.normalizer(
      map && { type: 'Precompiled', precompiled_charsmap: Buffer.from(map).toString('base64') },
    ),
    pre_tokenizer: layout.preTokenizer,
    post_processor: template(cls, sep, ids),
    decoder: METASPACE,
    model: {
      ...(model.type === MODEL_TYPE.unigram
        ? unigram(file, vocab, ids.get(unknown))
        : bytePair(vocab, pieces, unknown)),
      byte_fallback: model.byteFallback,
    },
  };
}

function unigram(file: string, vocab: [string, number][], unkId: number | undefined): Json {
  if (unkId === undefined) throw malformed(file, 'expected a piece for unknown characters, found none');
  return { type: 'Unigram', unk_id: unkId, vocab };
}

/** Merges are not written down: they are the ways to put a piece together, the likeliest piece first. */
function bytePair(vocab: readonly [string, number][], pieces: readonly Piece[], unknown: string): Json {
  const normal = new Map(
    pieces.flatMap(({ text, score, type }, id): [string, { score: number; id: number }][] =>
      type === PIECE_TYPE.normal ? [[text, { score, id }]] : [],
    ),
  );
  const ranked: { score: number; id: number; merge: [string, string] }[] = [];
  for (const [text, { score, id }] of normal) {
    for (let at = 0; at < text.length; ) {
      at += text.codePointAt(at)! > 0xffff ? 2 : 1;
      const merge: [string, string] = [text.slice(0, at), text.slice(at)];
      if (normal.has(merge[0]) && normal.has(merge[1])) ranked.push({ score, id, merge });
    }
  }
  ranked.sort((a, b) => b.score - a.score || a.id - b.id);
  const ids = Object.fromEntries(vocab.map(([token], id) => [token, id]));
  const merges = ranked.map(({ merge }) => merge);
  return { type: 'BPE', unk_token: unknown, fuse_unk: true, vocab: ids, merges };
}

function template(cls: string, sep: string, ids: ReadonlyMap<string, number>): Json {
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const words = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const single = [special(cls), words('A'), special(sep)];
  const pair = [...single, special(sep), words('B'), special(sep)];
  const special_tokens = Object.fromEntries(
    [cls, sep].map((token) => [token, { id: token, ids: [ids.get(token)!], tokens: [token] }]),
  );
  return { type: 'TemplateProcessing', ...{ single, pair, special_tokens } };
}

function readModel(file: string, bytes: Uint8Array): SentencePieceModel {
  const model: SentencePieceModel = {
    ...{ pieces: [], type: MODEL_TYPE.unigram, byteFallback: false },
    ...{ unknownId: 0, unknownPiece: '<unk>', characterMap: null },
  };
  try {
    for (const field of fieldsOf(bytes)) {
      if (field.number === MODEL.piece) model.pieces.push(readPiece(field));
      if (field.number === MODEL.trainer) readTrainer(field, model);
      if (field.number !== MODEL.normalizer) continue;
      for (const part of fieldsOf(field.bytes))
        if (part.number === NORMALIZER.characterMap && part.bytes.length > 0) model.characterMap = part.bytes;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(file, `it is no SentencePiece model: ${error.message}`);
  }
  if (model.pieces.length > 0) return model;
  throw malformed(file, 'it is no SentencePiece model: expected pieces, found none');
}

function readPiece({ bytes }: Field): Piece {
  const piece: Piece = { text: '', score: 0, type: PIECE_TYPE.normal };
  for (const field of fieldsOf(bytes)) {
    if (field.number === PIECE.text) piece.text = textOf(field);
    if (field.number === PIECE.score) piece.score = floatOf(field);
    if (field.number === PIECE.type) piece.type = field.value;
  }
  return piece;
}

function readTrainer({ bytes }: Field, model: SentencePieceModel): void {
  for (const field of fieldsOf(bytes)) {
    if (field.number === TRAINER.type) model.type = field.value;
    if (field.number === TRAINER.byteFallback) model.byteFallback = field.value !== 0;
    if (field.number === TRAINER.unknownId) model.unknownId = field.value;
    if (field.number === TRAINER.unknownPiece) model.unknownPiece = textOf(field);
  }
}
