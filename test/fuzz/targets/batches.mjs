import { built } from '../built.mjs';
import { NUMBERS } from '../mutate.mjs';

const CONFIG = {
  ...{ vocabSize: 40, hiddenSize: 16, numLayers: 2, numHeads: 2, intermediateSize: 32, maxPositions: 32 },
  labels: ['O', 'B-LOC', 'I-LOC'],
};
const PLANS = ['none', 'bottom-up:1', 'top-down:1', 'bottom-up:2', 'interleaved', 'bottom-up:9', ''];

// Batches and plans of any form to a model that is trained all the while.
export default {
  name: 'batches',
  async setUp() {
    const { TokenClassifier } = await built('index.js');
    const model = await TokenClassifier.create(CONFIG, { threads: 1, device: 'cpu' });
    return { model, trainer: await model.trainer({ learningRate: 1e-4 }) };
  },
  input(random) {
    const lengths = Array.from(
      { length: random.below(4) + (random.once(8) ? 0 : 1) },
      () => 1 + random.length(30),
    );
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const borders = [0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, n) => sum + n, 0))];
    const id = (end) => (random.once(200) ? random.pick(NUMBERS) : random.below(end));
    const batch = {
      inputIds: Array.from({ length: total }, () => id(40)),
      labels: Array.from({ length: total }, () => (random.once(5) ? -100 : id(3))),
      cuSeqlens: borders.map((border) => (random.once(100) ? random.pick(NUMBERS) : border)),
    };
    const cut = random.pick(['inputIds', 'labels', 'cuSeqlens']);
    if (random.once(10)) batch[cut].pop();
    if (random.once(20)) delete batch[cut];
    return {
      call: random.pick(['step', 'step', 'loss', 'logits', 'predict', 'freeze']),
      batch,
      plan: random.pick(PLANS),
    };
  },
  async run({ call, batch, plan }, { model, trainer }) {
    const typed = Object.fromEntries(
      Object.entries(batch).map(([name, list]) => [name, Int32Array.from(list)]),
    );
    if (call === 'freeze') return model.freeze(plan);
    if (call === 'step') return trainer.step(typed);
    return call === 'logits' ? model.logits(typed) : model[call]([typed]);
  },
  tearDown: ({ model }) => model.dispose(),
};
