import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../built.mjs';
import { FAMILIES, fixture } from '../corpus.mjs';
import { mutatedBytes, mutatedJson } from '../mutate.mjs';

// Whole model directories, by the public way to load one: what config.json claims beside what the weights hold.
export default {
  name: 'model',
  async setUp() {
    const { TokenClassifier } = await built('index.js');
    const models = FAMILIES.map((name) => ({
      config: JSON.parse(fixture(`architectures/${name}/config.json`)),
      weights: fixture(`architectures/${name}/model.safetensors`),
    }));
    return { TokenClassifier, models, directory: mkdtempSync(join(tmpdir(), 'permafrost-fuzz-')) };
  },
  input(random, { models }) {
    const { config, weights } = random.pick(models);
    const header = 8 + Number(weights.readBigUInt64LE());
    const isDamaged = random.once(4);
    const damaged = () =>
      Buffer.concat([mutatedBytes(random, weights.subarray(0, header), [weights]), weights.subarray(header)]);
    return {
      config: JSON.stringify(isDamaged ? config : mutatedJson(random, config)),
      weights: (isDamaged ? damaged() : weights).toString('latin1'),
    };
  },
  async run({ config, weights }, { TokenClassifier, directory }) {
    writeFileSync(join(directory, 'config.json'), config);
    writeFileSync(join(directory, 'model.safetensors'), weights, 'latin1');
    const model = await TokenClassifier.load(directory, { threads: 1, device: 'cpu' });
    await model.dispose();
  },
  tearDown: ({ directory }) => rmSync(directory, { recursive: true, force: true }),
};
