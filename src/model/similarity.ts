import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { addon, type NativeLinearCka } from '../native/addon.js';
import { toPacked } from './batch-input.js';
import { type EncoderModel, engineOf } from './encoder-model.js';

/**
 * How alike the outputs of two models' layers are on the same tokens: linear centred kernel alignment
 * ||cov(X, Y)||^2 / (||cov(X, X)|| ||cov(Y, Y)||) (Kornblith et al. 2019), of the embeddings and of every layer.
 *
 * Tokens are added batch by batch and are not kept; memory is that of three covariances a layer, in double precision.
 */
export class RepresentationSimilarity {
  readonly #before: EncoderModel;
  readonly #after: EncoderModel;
  readonly #native: NativeLinearCka;

  /** @throws INVALID_OPTION where the models have different numbers of layers */
  constructor(before: EncoderModel, after: EncoderModel) {
    const [expected, got] = [before.config.numLayers, after.config.numLayers];
    if (expected !== got) {
      throw new PermafrostError(
        'INVALID_OPTION',
        `Similarity: expected two models of as many layers, got ${expected} and ${got}.`,
        { expected, got },
      );
    }
    this.#before = before;
    this.#after = after;
    this.#native = new (addon().LinearCka)(expected + 1);
  }

  /** Adds the labelled tokens of a batch, or all where it has no labels. Dropout off. @throws INVALID_BATCH */
  async add(batch: PackedBatch | RaggedBatch, options: { signal?: AbortSignal } = {}): Promise<void> {
    const packed = toPacked(batch);
    const { data, shape } = await this.#before.hiddenStates(packed, options);
    await engineOf(this.#after).call(
      (native) => native.compareStates(this.#native, packed, data, shape[2]),
      options.signal,
    );
  }

  /**
   * Of the embeddings' output and of each layer's, from 0 to 1; NaN where one is the same for all tokens.
   *
   * @throws INVALID_OPTION before a token was added
   */
  values(): number[] {
    if (this.tokens > 0) return [...this.#native.values()];
    throw new PermafrostError('INVALID_OPTION', 'Similarity: nothing was compared yet. Add a batch first.');
  }

  /** Tokens that were added. */
  get tokens(): number {
    return this.#native.tokens();
  }
}
