import { built } from '../built.mjs';
import { FAMILIES, fixture, samples } from '../corpus.mjs';
import { mutatedBytes, mutatedJson } from '../mutate.mjs';

// The header of a checkpoint, and whether it covers the model.
export default {
  name: 'safetensors',
  async setUp() {
    const { readContent } = await built('model/safetensors.js');
    const { planLoading } = await built('model/checkpoint.js');
    const { architectureOf } = await built('model/architectures.js');
    const files = FAMILIES.slice(0, 2).map((name) => fixture(`architectures/${name}/model.safetensors`));
    const headers = [...files, ...samples('safetensors')].map((bytes) => {
      const end = 8 + Number(bytes.readBigUInt64LE());
      return {
        json: JSON.parse(bytes.subarray(8, end).toString()),
        bytes: bytes.subarray(0, end),
        size: bytes.length,
      };
    });
    const parameters = (json) =>
      Object.entries(json)
        .filter(([name]) => name !== '__metadata__')
        .map(([name, { shape }]) => ({ name, shape, count: shape.reduce((a, b) => a * b, 1) }));
    return {
      readContent,
      planLoading,
      bert: architectureOf('bert', ''),
      headers,
      parameters: parameters(headers[0].json),
    };
  },
  input(random, { headers }) {
    const { json, bytes, size } = random.pick(headers);
    const others = headers.map((header) => header.bytes);
    const content = random.once(2)
      ? mutatedBytes(random, bytes, others)
      : withLength(mutatedJson(random, json));
    // What follows the header is never looked at; only its length is.
    const length = random.once(4) ? content.length + random.length(1 << 20) : Math.max(size, content.length);
    return Buffer.concat([content, Buffer.alloc(Math.min(1 << 12, Math.max(0, length - content.length)))]);
  },
  async run(bytes, { readContent, planLoading, parameters, bert }) {
    const size = Math.max(bytes.length, 1 << 17);
    const whole = async (position, length) => {
      const part = Buffer.alloc(length);
      bytes.copy(part, 0, position, position + length);
      return part;
    };
    const { tensors } = await readContent('model.safetensors', size, whole);
    planLoading(tensors, parameters, bert);
  },
};

function withLength(json) {
  const text = Buffer.from(JSON.stringify(json));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}
