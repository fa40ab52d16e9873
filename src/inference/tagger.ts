import { setMaxListeners } from 'node:events';
import { PermafrostError } from '../errors/error.js';
import { decoderOf, decodingOf } from '../evaluation/decoding.js';
import { maxLengthFor, tokenizerOf } from '../evaluation/encoding.js';
import { softmaxRows } from '../evaluation/probabilities.js';
import { decodeWords } from '../evaluation/word-scores.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { loadTrainedModel } from '../model/trained-model.js';
import { defaultOverlap } from '../text/windows.js';
import { Admission, Batcher, type BatcherStats } from './batcher.js';
import type { Entity } from './entity.js';
import { mapStream } from './map-stream.js';
import {
  type ParsedTaggerOptions,
  parseTaggerOptions,
  parseTagOptions,
  splitLoadOptions,
  type TaggerLoadOptions,
  type TaggerOptions,
  type TagOptions,
} from './options.js';
import { packSequences, sequenceOf } from './sequences.js';
import { planText, tokenizeText, tokenizeWords } from './tagged-text.js';

/** Items of a stream that are under way together. */
const STREAM_AHEAD = 64;
/** The first run: a text of several words that every tokenizer cuts somehow. */
const WARM_UP_TEXT = 'Ann Lee met Bo Ek in Oslo in May 2024.';

/** What can be tagged: running text, or words, which are tagged as the text that has a space between them. */
export type Taggable = string | readonly string[];

/** What a tagger did so far, and what it has before it. */
export interface TaggerStats extends BatcherStats {
  /** Calls that are waiting or computed. */
  open: number;
}

/**
 * Finds entities in texts of any length.
 *
 * Calls that come at the same time are computed together; each gets the same entities as if it had come alone.
 */
export class Tagger {
  readonly #model: TokenClassifier;
  readonly #ownsModel: boolean;
  readonly #options: ParsedTaggerOptions;
  readonly #window: { maxTokens: number; overlap: number };
  readonly #admission: Admission;
  readonly #batcher: Batcher<Float32Array>;
  #disposed: Promise<void> | null = null;

  private constructor(model: TokenClassifier, options: TaggerOptions, ownsModel: boolean) {
    this.#options = parseTaggerOptions(options);
    tokenizerOf(model);
    const { maxLength, overlap } = this.#options;
    const limit = maxLengthFor(model, maxLength);
    this.#window = { maxTokens: limit - 2, overlap: overlap ?? defaultOverlap(limit - 2) };
    if (this.#window.overlap >= this.#window.maxTokens) {
      throw new PermafrostError(
        'INVALID_OPTION',
        `Tagger: \`overlap\`: expected less than the ${this.#window.maxTokens} tokens of a window, got ${overlap}.`,
        { option: 'overlap', got: overlap, maxLength: limit },
      );
    }
    this.#model = model;
    this.#ownsModel = ownsModel;
    this.#admission = new Admission(this.#options.maxQueue);
    this.#batcher = new Batcher((sequences) => this.#scores(sequences), this.#options);
  }

  /**
   * Loads a model directory with a token classification head and a tokenizer.
   *
   * @throws what `TokenClassifier.load` throws; WEIGHTS_MISMATCH where the head was never trained; INVALID_OPTION where
   *   the directory has no tokenizer
   */
  static async load(directory: string, options: TaggerLoadOptions = {}): Promise<Tagger> {
    const { warmUp, tagger: taggerOptions, model: modelOptions } = splitLoadOptions(options);
    parseTaggerOptions(taggerOptions);
    const model = await loadTrainedModel(directory, modelOptions);
    try {
      const tagger = new Tagger(model, taggerOptions, true);
      if (warmUp) await tagger.warmUp();
      return tagger;
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /**
   * A tagger for a model in memory, which its owner disposes of, after the tagger.
   *
   * @throws INVALID_OPTION, also where the model has no tokenizer
   */
  static of(model: TokenClassifier, options: TaggerOptions = {}): Tagger {
    return new Tagger(model, options, false);
  }

  /** Label of each id of the model's head. */
  get labels(): readonly string[] {
    return this.#model.labels;
  }

  get stats(): Readonly<TaggerStats> {
    return { ...this.#batcher.stats, open: this.#admission.open };
  }

  /** Runs the tokenizer and the model once, which brings code and weights into memory. */
  async warmUp(): Promise<void> {
    await this.#tagOne(WARM_UP_TEXT, {});
  }

  /**
   * Finds the entities of a text.
   *
   * @param input a text; its words, where they are known; or a stream of either, which is read no faster than it is
   *   tagged and gives one array of entities for each item, in order.
   * @throws QUEUE_FULL, DISPOSED, INVALID_OPTION, OUT_OF_MEMORY; `signal.reason` on abort
   */
  tag(input: Taggable, options?: TagOptions): Promise<Entity[]>;
  tag(input: AsyncIterable<Taggable>, options?: TagOptions): AsyncIterableIterator<Entity[]>;
  tag(
    input: Taggable | AsyncIterable<Taggable>,
    options: TagOptions = {},
  ): Promise<Entity[]> | AsyncIterableIterator<Entity[]> {
    if (isTaggable(input)) return this.#admission.run(() => this.#tagOne(input, options));
    if (typeof input === 'object' && input !== null && Symbol.asyncIterator in input) {
      const each = { ...options, ...(options.signal && { signal: forMany(options.signal) }) };
      const apply = async (item: Taggable) => {
        if (!isTaggable(item)) throw notTaggable(item);
        return this.#tagOne(item, each);
      };
      return mapStream(input, apply, STREAM_AHEAD, options.signal);
    }
    throw notTaggable(input);
  }

  /** Rejects what waits with DISPOSED, lets the running batch finish, frees a model that was loaded here. Idempotent. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #close(): Promise<void> {
    await this.#batcher.close(disposed());
    if (this.#ownsModel) await this.#model.dispose();
  }

  async #tagOne(input: Taggable, options: TagOptions): Promise<Entity[]> {
    const { signal, aggregation, ignoreLabels, minScore = this.#options.minScore } = parseTagOptions(options);
    signal?.throwIfAborted();
    if (this.#disposed) throw disposed();
    const { rules } = this.#options;
    const tokenizer = tokenizerOf(this.#model);
    const tokens =
      typeof input === 'string'
        ? await tokenizeText(input, tokenizer, rules)
        : tokenizeWords(input, tokenizer);
    const plan = planText(tokens, this.#window, rules);
    if (this.#disposed) throw disposed();
    const sequences = plan.windows.map((window) => sequenceOf(tokens.inputIds, window, tokenizer));
    const [scores, decoder] = await Promise.all([
      this.#batcher.add(sequences, signal),
      decoderOf(this.#model, decodingOf(this.#model, this.#options.decoding)),
    ]);
    const entities = plan.entities(scores, {
      labels: this.labels,
      strategy: aggregation ?? this.#options.aggregation,
      ignoreLabels: ignoreLabels ?? this.#options.ignoreLabels,
      ...(decoder && { decode: (rows) => decodeWords(rows, this.labels.length, decoder) }),
    });
    return entities.filter(({ score }) => score >= minScore);
  }

  /** Probabilities of the labels of each sequence's tokens, without the special tokens at its ends. */
  async #scores(sequences: readonly Int32Array[]): Promise<Float32Array[]> {
    const { inputIds, cuSeqlens } = packSequences(sequences);
    const { data, shape } = await this.#model.logits({ inputIds, cuSeqlens });
    const columns = shape[1];
    return sequences.map((_, i) =>
      softmaxRows(data.slice((cuSeqlens[i]! + 1) * columns, (cuSeqlens[i + 1]! - 1) * columns), columns),
    );
  }
}

/** A signal that follows another and that many calls may listen to without Node taking it for a leak. */
function forMany(signal: AbortSignal): AbortSignal {
  const following = AbortSignal.any([signal]);
  setMaxListeners(0, following);
  return following;
}

function isTaggable(input: unknown): input is Taggable {
  return (
    typeof input === 'string' || (Array.isArray(input) && input.every((word) => typeof word === 'string'))
  );
}

function notTaggable(input: unknown): PermafrostError {
  const got = Array.isArray(input) ? 'an array of other things' : input === null ? 'null' : typeof input;
  return new PermafrostError(
    'INVALID_OPTION',
    `tag: expected a string, an array of strings or an async iterable of them, got ${got}.`,
    { got },
  );
}

function disposed(): PermafrostError {
  return new PermafrostError('DISPOSED', 'The tagger has been disposed; load it again to use it.');
}
