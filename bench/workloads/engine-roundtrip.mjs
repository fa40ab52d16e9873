// How long a job that does nothing takes from JavaScript to the engine's thread and back.
import { median, quantile } from '../../dist/bench/statistics.js';
import { parseShape } from '../../dist/experiment/shape.js';
import { randomModel } from '../random-model.mjs';

const WARMUP_CALLS = 500;
const CALLS = 5000;

async function microseconds(call) {
  for (let i = 0; i < WARMUP_CALLS; i++) await call();
  const times = [];
  for (let i = 0; i < CALLS; i++) {
    const start = performance.now();
    await call();
    times.push((performance.now() - start) * 1000);
  }
  return times;
}

export default {
  title: 'the round trip of an empty engine job',
  async run({ threads }) {
    const model = await randomModel(parseShape('layers=1,hidden=8,heads=1'), 10, threads);
    try {
      const drivers = {
        // Asks for sums over a dozen tensors; what it computes is lost in the noise.
        'engine job': () => model.memory(),
        'turn of the event loop': () => new Promise(setImmediate),
        'settled promise': () => Promise.resolve(),
      };
      const rows = [];
      for (const [driver, call] of Object.entries(drivers)) {
        const times = await microseconds(call);
        rows.push([driver, ...[median(times), quantile(times, 0.99)].map((value) => value.toFixed(1))]);
      }
      return {
        head: ['driver', 'median µs', '99th percentile µs'],
        rows,
        notes: [`${CALLS} calls, one after the other.`],
      };
    } finally {
      await model.dispose();
    }
  },
};
