import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../built.mjs';
import { samples } from '../corpus.mjs';
import { mutatedBytes } from '../mutate.mjs';

// ONNX files and the weights in them.
export default {
  name: 'onnx',
  async setUp() {
    const { readOnnxFile } = await built('model/weights/onnx-file.js');
    const { readTensors } = await built('model/weights/stored-tensor.js');
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-fuzz-onnx-'));
    return { readOnnxFile, readTensors, files: samples('onnx'), directory };
  },
  input(random, { files }) {
    return mutatedBytes(random, random.pick(files), files);
  },
  async run(bytes, { readOnnxFile, readTensors, directory }) {
    const file = join(directory, 'model.onnx');
    writeFileSync(file, bytes);
    const tensors = await readOnnxFile(file);
    // Larger ones are those of no model, and none asks for them.
    const small = tensors.filter(({ shape }) => shape.reduce((count, size) => count * size, 1) < 2 ** 20);
    for await (const [tensor, content] of readTensors(small)) {
      if (content.length > readFileSync(file).length * 8)
        throw new Error(`${tensor.name} is longer than the file`);
    }
  },
  tearDown({ directory }) {
    rmSync(directory, { recursive: true, force: true });
  },
};
