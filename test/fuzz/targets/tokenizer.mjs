import { built } from '../built.mjs';
import { fixture, jsonSamples } from '../corpus.mjs';
import { anyText, anyValue, mutatedBytes, mutatedJson } from '../mutate.mjs';

// tokenizer.json or a SentencePiece model with what lies beside it, and words and text by the tokenizer that it describes.
export default {
  name: 'tokenizer',
  async setUp() {
    const { tokenizerSource } = await built('text/read-tokenizer.js');
    const { Tokenizer } = await built('text/tokenizer.js');
    const documents = jsonSamples('tokenizer');
    const texts = documents.map((document) => Buffer.from(JSON.stringify(document)));
    const models = ['unigram', 'bpe', 'deberta'].map((name) => fixture(`sentencepiece/${name}.model`));
    return { tokenizerSource, Tokenizer, documents, texts, models };
  },
  input(random, { documents, texts, models }) {
    if (random.once(4)) {
      const content = mutatedBytes(random, random.pick(models), models).toString('latin1');
      const config = { tokenizer_class: random.pick(CLASSES.slice(2)) };
      return { file: 'spm.model', content, config, words: [anyText(random), anyText(random, 512)] };
    }
    const content = random.once(6)
      ? mutatedBytes(random, random.pick(texts), texts).toString('latin1')
      : Buffer.from(JSON.stringify(mutatedJson(random, random.pick(documents)))).toString('latin1');
    const config = random.once(2) ? {} : { ...configOf(random) };
    return {
      file: 'tokenizer.json',
      content,
      config,
      words: [anyText(random), anyText(random), anyText(random, 512)],
    };
  },
  async run({ file, content, config, words }, { tokenizerSource, Tokenizer }) {
    const neighbours = { config, added: {}, modelType: undefined };
    const tokenizer = Tokenizer.of(tokenizerSource(file, Buffer.from(content, 'latin1'), neighbours));
    tokenizer.encodeWords(words, { maxLength: 64 });
    void tokenizer.digest;
    await tokenizer.encodeText(words.join(' '));
  },
};

const CLASSES = ['BertTokenizer', 'RobertaTokenizer', 'XLMRobertaTokenizer', 'DebertaV2Tokenizer', 'Other'];
const FIELDS = [
  'do_lower_case',
  'strip_accents',
  'add_prefix_space',
  'unk_token',
  'cls_token',
  'added_tokens_decoder',
];

function configOf(random) {
  const fields = FIELDS.filter(() => random.once(4)).map((name) => [name, anyValue(random)]);
  return Object.fromEntries([['tokenizer_class', random.pick(CLASSES)], ...fields]);
}
