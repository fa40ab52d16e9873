import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../built.mjs';
import { fixture } from '../corpus.mjs';
import { mutatedBytes } from '../mutate.mjs';

// Files of torch.save of both versions, and the tensors in them.
export default {
  name: 'torch',
  async setUp() {
    const { readTorchFile } = await built('model/weights/torch-file.js');
    const { readTensors } = await built('model/weights/stored-tensor.js');
    const files = ['bert', 'roberta', 'distilbert', 'deberta-v2'].map((family) =>
      fixture(`torch-files/${family}/pytorch_model.bin`),
    );
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-fuzz-torch-'));
    return { readTorchFile, readTensors, files, directory };
  },
  input(random, { files }) {
    const file = random.pick(files);
    if (random.once(2)) return mutatedBytes(random, file, files);
    // The part that is a program: near the start of either version.
    const end = Math.min(file.length, 6000);
    return Buffer.concat([mutatedBytes(random, file.subarray(0, end), files), file.subarray(end)]);
  },
  async run(bytes, { readTorchFile, readTensors, directory }) {
    const file = join(directory, 'pytorch_model.bin');
    writeFileSync(file, bytes);
    const tensors = await readTorchFile(file);
    // Larger ones are those of no model, and none asks for them.
    const small = tensors.filter(({ shape }) => shape.reduce((count, size) => count * size, 1) < 2 ** 20);
    for await (const [tensor, content] of readTensors(small)) {
      if (tensor.arrange && content.length === 0) throw new Error('a view of nothing');
    }
  },
  tearDown({ directory }) {
    rmSync(directory, { recursive: true, force: true });
  },
};
