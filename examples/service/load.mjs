// Loads a running service: one caller after the other, then many at once.
//
//   node load.mjs http://127.0.0.1:3000 [--callers 64] [--seconds 60] [--requests 10000] [--text "..."]
//
// --requests ends each part after so many requests, if --seconds does not end it sooner.
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    callers: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '60' },
    requests: { type: 'string', default: 'Infinity' },
    text: {
      type: 'string',
      default: 'Ann Lee met Bo Ek of Acme Corp. in Oslo on Monday, and both went home.',
    },
  },
});
const base = new URL(positionals[0] ?? 'http://127.0.0.1:3000');
const agent = new Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(new URL(path, base), { method, agent, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function measure(callers) {
  const body = JSON.stringify({ text: values.text });
  const latencies = [];
  let errors = 0;
  let started = 0;
  const begin = performance.now();
  const end = begin + 1000 * Number(values.seconds);
  const caller = async () => {
    while (performance.now() < end && started < Number(values.requests)) {
      started++;
      const sent = performance.now();
      const { status } = await call('POST', '/tag', body).catch(() => ({ status: 0 }));
      if (status === 200) latencies.push(performance.now() - sent);
      else errors++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - begin) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (share) =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN;
  const { rssBytes } = JSON.parse((await call('GET', '/health')).text);
  console.log(
    `${callers} callers: ${latencies.length} requests in ${seconds.toFixed(1)} s, ` +
      `${(latencies.length / seconds).toFixed(0)}/s, ${errors} errors, median ${quantile(0.5).toFixed(1)} ms, ` +
      `99th percentile ${quantile(0.99).toFixed(1)} ms; service holds ${(rssBytes / 2 ** 20).toFixed(0)} MiB`,
  );
  return { rate: latencies.length / seconds, errors };
}

const one = await measure(1);
const many = await measure(Number(values.callers));
console.log(`ratio ${(many.rate / one.rate).toFixed(2)}`);
agent.destroy();
process.exitCode = one.errors + many.errors > 0 ? 1 : 0;
