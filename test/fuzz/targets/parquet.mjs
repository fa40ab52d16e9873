import { built } from '../built.mjs';
import { samples } from '../corpus.mjs';
import { mutatedBytes } from '../mutate.mjs';

/** What a sound file of this size takes, many times over; users' files have longer. */
const LIMIT_MS = 300;

export default {
  name: 'parquet',
  async setUp() {
    const { openParquet } = await built('data/read-parquet.js');
    const { ParquetDecoder } = await built('data/parquet-decoder.js');
    return { files: samples('parquet'), openParquet, decoder: new ParquetDecoder(LIMIT_MS) };
  },
  input: (random, { files }) => mutatedBytes(random, random.pick(files), files),
  async run(bytes, { openParquet, decoder }) {
    const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    // One thread for all inputs, until one has to be ended.
    const inMemory = {
      open: () => decoder.open(content),
      rows: decoder.rows.bind(decoder),
      close: async () => {},
    };
    const parquet = await openParquet('file.parquet', inMemory);
    const names = parquet.description === null ? null : ['O', 'B-LOC', 'I-LOC'];
    for await (const { words, tags } of parquet.sentences({ tagNames: () => names })) {
      if (words.length === 0 || words.length !== tags.length) throw new Error('a sentence of uneven columns');
    }
  },
  tearDown: ({ decoder }) => decoder.close(),
};
