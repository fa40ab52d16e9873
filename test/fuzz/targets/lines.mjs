import { built } from '../built.mjs';
import { samples } from '../corpus.mjs';
import { anyText, mutatedBytes, mutatedText } from '../mutate.mjs';

/** Readers of sentences by line: the same bytes in chunks of any length. */
export async function lineTarget(name, module, reader, options) {
  const texts = samples(name);
  const { lineBlocks } = await built('data/read-lines.js');
  const read = (await built(module))[reader];
  const source = (chunks) => lineBlocks(chunks, 'file', { universal: true });
  return { texts, source, read, options };
}

export function lineInput(random, { texts, options }) {
  const sample = random.pick(texts);
  const bytes = random.once(3)
    ? mutatedBytes(random, sample, texts)
    : Buffer.from(mutatedText(random, mutatedText(random, sample.toString('utf8')) + anyText(random, 8)));
  return {
    bytes: bytes.toString('latin1'),
    cut: 1 + random.length(bytes.length + 1),
    options: options(random),
  };
}

export async function runLines({ bytes, cut, options }, { source, read }) {
  const content = Buffer.from(bytes, 'latin1');
  const chunks = async function* () {
    for (let at = 0; at < content.length; at += cut) yield content.subarray(at, at + cut);
  };
  for await (const sentences of read(
    'file',
    { separator: 'auto', scheme: 'auto', offsets: 'codepoints', ...options },
    {},
    () => source(chunks(), cut),
  )) {
    const isUneven = ({ words, tags }) => words.length === 0 || words.length !== tags.length;
    if (sentences.some(isUneven)) throw new Error('a sentence of uneven columns');
  }
}
