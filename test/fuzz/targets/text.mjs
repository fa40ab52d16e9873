import { built } from '../built.mjs';
import { jsonSamples } from '../corpus.mjs';
import { anyText } from '../mutate.mjs';

// Any text by sound tokenizers: splitting, encoding with places, windows.
export default {
  name: 'text',
  async setUp() {
    const { tokenizerSource } = await built('text/read-tokenizer.js');
    const { Tokenizer } = await built('text/tokenizer.js');
    const { splitWords } = await built('data/split-words.js');
    const { cutWindows } = await built('text/windows.js');
    const tokenizers = jsonSamples('tokenizer').map((document) => {
      const content = Buffer.from(JSON.stringify(document));
      return Tokenizer.of(
        tokenizerSource('tokenizer.json', content, { config: {}, added: {}, modelType: undefined }),
      );
    });
    return { tokenizers, splitWords, cutWindows };
  },
  input(random, { tokenizers }) {
    const parts = Array.from({ length: 1 + random.below(8) }, () =>
      anyText(random, random.once(200) ? 20_000 : 64),
    );
    return { text: parts.join(random.pick(['', ' ', '\n'])), tokenizer: random.below(tokenizers.length) };
  },
  async run({ text, tokenizer: index }, { tokenizers, splitWords, cutWindows }) {
    const tokenizer = tokenizers[index];
    const words = splitWords(text);
    tokenizer.encodeWords(words, { maxLength: 128 });
    const { wordIds, starts, ends } = await tokenizer.encodeText(text);
    cutWindows(wordIds, { maxTokens: 30, overlap: 8 });
    for (let i = 0; i < starts.length; i++) {
      if (starts[i] < 0 || ends[i] < starts[i] || ends[i] > text.length)
        throw new Error(`token ${i} has no place`);
    }
  },
};
