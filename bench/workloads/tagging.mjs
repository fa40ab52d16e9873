// Texts a second through one tagger: called one by one, and by 64 callers at once, who share batches.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { median, quantile } from '../../dist/bench/statistics.js';
import { labelSet } from '../../dist/data/label-set.js';
import { generateCorpus } from '../../dist/data/synthetic/generate.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { Tagger } from '../../dist/inference/tagger.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import { trainWordPiece } from '../../dist/text/tokenizer.js';

const ROUNDS = 4;
/** Seconds of each driver in a round; 60 of many callers in all. */
const SECONDS = { 'one by one': 5, '64 callers': 15 };
const CALLERS = { 'one by one': 1, '64 callers': 64 };
const RESOLUTION_MS = 1;

async function makeTagger({ shape, threads }, sentences) {
  const words = sentences.flatMap((sentence) => sentence.words);
  const tokenizer = trainWordPiece(words, { vocabSize: 8000, lowercase: true, minFrequency: 2 });
  const config = encoderConfigOf(shape, tokenizer.vocabSize, tokenizer.padId, labelSet(sentences));
  const model = await TokenClassifier.create(config, { threads, tokenizer });
  return { model, tagger: Tagger.of(model) };
}

/** Latencies in milliseconds of all calls that the callers make one after another in the given time. */
async function callFor(seconds, callers, tagger, texts) {
  const latencies = [];
  const begin = performance.now();
  const end = begin + 1000 * seconds;
  let next = 0;
  const caller = async () => {
    while (performance.now() < end) {
      const started = performance.now();
      await tagger.tag(texts[next++ % texts.length]);
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { latencies, seconds: (performance.now() - begin) / 1000 };
}

async function measure(driver, tagger, texts) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const before = tagger.stats;
  histogram.enable();
  const { latencies, seconds } = await callFor(SECONDS[driver], CALLERS[driver], tagger, texts);
  histogram.disable();
  const { batches, sequences } = tagger.stats;
  // The histogram holds the time from one timer to the next, in nanoseconds.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    rate: latencies.length / seconds,
    latencies,
    texts: (sequences - before.sequences) / (batches - before.batches),
    lateTypical: late(histogram.percentile(99)),
    latest: late(histogram.max),
    residentBytes: process.memoryUsage.rss(),
  };
}

function row(driver, results) {
  const latencies = results.flatMap((result) => result.latencies);
  const middle = (pick) => median(results.map(pick));
  return [
    driver,
    middle(({ rate }) => rate).toFixed(0),
    middle(({ texts }) => texts).toFixed(1),
    ...[0.5, 0.99].map((share) => quantile(latencies, share).toFixed(2)),
    middle(({ lateTypical }) => lateTypical).toFixed(2),
    Math.max(...results.map(({ latest }) => latest)).toFixed(2),
  ];
}

export default {
  title: 'tagging by one caller and by many',
  async run(context) {
    const sizes = { train: 2000, validation: 1, test: 1 };
    const sentences = generateCorpus('demo', { seed: 42, sizes }).train;
    const texts = sentences.map(({ words }) => words.join(' '));
    const { model, tagger } = await makeTagger(context, sentences);
    try {
      const drivers = Object.keys(SECONDS);
      const results = Object.fromEntries(drivers.map((driver) => [driver, []]));
      for (const driver of drivers) await callFor(1, CALLERS[driver], tagger, texts);
      for (let round = 0; round < ROUNDS; round++) {
        for (const driver of drivers) results[driver].push(await measure(driver, tagger, texts));
      }
      const [one, many] = drivers.map((driver) => results[driver]);
      const ratios = many.map(({ rate }, round) => rate / one[round].rate);
      const calls = many.reduce((sum, { latencies }) => sum + latencies.length, 0);
      const [first, last] = [many[0], many.at(-1)].map(({ residentBytes }) => residentBytes / 2 ** 20);
      return {
        head: [
          'driver',
          'texts/s',
          'texts a batch',
          'median ms',
          '99th percentile ms',
          'event loop late, 99th percentile ms',
          'latest ms',
        ],
        rows: drivers.map((driver) => row(driver, results[driver])),
        notes: [
          `${context.shapeName}, generated sentences. Ratio of texts/s ${median(ratios).toFixed(2)} (median of ` +
            `${ROUNDS} rounds, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}); ${calls} calls ` +
            `by 64 callers, none failed; resident memory ${first.toFixed(0)} MiB after the first round, ` +
            `${last.toFixed(0)} MiB after the last.`,
        ],
      };
    } finally {
      await tagger.dispose();
      await model.dispose();
    }
  },
};
