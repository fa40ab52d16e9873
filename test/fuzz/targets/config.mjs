import { built } from '../built.mjs';
import { FAMILIES, fixture, jsonSamples } from '../corpus.mjs';
import { mutatedBytes, mutatedJson } from '../mutate.mjs';

// config.json, and what it would be written as again.
export default {
  name: 'config',
  async setUp() {
    const { parseConfig, huggingFaceEncoder, toHuggingFace } = await built('model/config.js');
    const configs = FAMILIES.map((name) => JSON.parse(fixture(`architectures/${name}/config.json`)));
    const all = [...configs, ...jsonSamples('config')];
    const texts = all.map((config) => Buffer.from(JSON.stringify(config)));
    return { parseConfig, huggingFaceEncoder, toHuggingFace, configs: all, texts };
  },
  input(random, { configs, texts }) {
    if (random.once(4)) return mutatedBytes(random, random.pick(texts), texts);
    return Buffer.from(JSON.stringify(mutatedJson(random, random.pick(configs))));
  },
  async run(bytes, { parseConfig, huggingFaceEncoder, toHuggingFace }) {
    const content = parseConfig(bytes.toString('utf8'), 'config.json');
    JSON.stringify(toHuggingFace(huggingFaceEncoder(content, 'config.json'), content));
  },
};
