import { MaskedLanguageModel } from './masked-language-model.js';
import type { CreateOptions } from './options.js';

/**
 * A deeper model whose layers repeat those of a shallow one in order: 0, 1, 2, 0, 1, 2, … It goes on learning from
 * where the shallow one is, which takes far less than a fresh model of that depth (Gong et al. 2019, "Efficient
 * training of BERT by progressively stacking").
 *
 * @param numLayers depth of the new model; the caller disposes of both.
 * @throws INVALID_OPTION, ADDON_MISSING, DEVICE_UNAVAILABLE
 */
export async function stackLayers(
  shallow: MaskedLanguageModel,
  numLayers: number,
  options: CreateOptions = {},
): Promise<MaskedLanguageModel> {
  const { labels: _labels, ...config } = shallow.config;
  const { tokenizer } = shallow;
  const deep = await MaskedLanguageModel.create(
    { ...config, numLayers },
    { ...(tokenizer && { tokenizer }), ...options },
  );
  try {
    for (const { name } of deep.parameters()) {
      const source = name.replace(/(?<=\.layer\.)\d+/, (layer) => String(Number(layer) % config.numLayers));
      await deep.writeParameter(name, await shallow.readParameter(source));
    }
    return deep;
  } catch (error) {
    await deep.dispose();
    throw error;
  }
}
