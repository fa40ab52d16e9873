// Runs the workloads of bench/workloads on the compiled package and prints one table each.
//
//   node bench/run.mjs [workload ...] [--shape bert-base] [--steps 10] [--warmup 2] [--threads N]
//                      [--data DIR] [--record]
//
// --data names the folder that holds lengths/*.json and, for the tokenizer, bert-base-uncased/vocab.txt;
// PERMAFROST_SHARED/data by default. --record appends what was measured to bench/RESULTS.md.
import { appendFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from '../dist/experiment/environment.js';
import { parseShape } from '../dist/experiment/shape.js';
import { addon } from '../dist/native/addon.js';
import { markdownTable } from './table.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const WORKLOADS = [
  'step-conll',
  'step-kaznerd',
  'precision',
  'products',
  'freezing',
  'pretrain-step',
  'engine-roundtrip',
  'event-loop-delay',
  'tokenization',
  'tagging',
  'run-log',
];
// These need more than this project, or two cores that do nothing else, and run when they are asked for.
const OPTIONAL = ['peers', 'tagging-peers', 'ranks'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: 'string', default: 'bert-base' },
    steps: { type: 'string', default: '10' },
    warmup: { type: 'string', default: '2' },
    threads: { type: 'string', default: '0' },
    data: {
      type: 'string',
      default: join(process.env.PERMAFROST_SHARED ?? join(ROOT, '..', 'shared'), 'data'),
    },
    record: { type: 'boolean', default: false },
  },
});

function environmentText() {
  const { versions, hardware } = describeEnvironment({
    libtorch: addon().libtorch.loadedVersion,
    device: 'cpu',
  });
  return (
    `${hardware.cpuModel}, ${hardware.cores} cores, ${Math.round(hardware.memoryBytes / 2 ** 30)} GiB; ` +
    `libtorch ${versions.libtorch}, permafrost ${versions.permafrost}, Node ${versions.node}`
  );
}

/** Loads workloads, and takes out of the environment what one of them is measured without, before libtorch reads it. */
async function loadWorkloads(names) {
  const workloads = new Map();
  for (const name of names) workloads.set(name, (await import(`./workloads/${name}.mjs`)).default);
  for (const variable of [...workloads.values()].flatMap(({ without = [] }) => without)) {
    if (process.env[variable] === undefined) continue;
    console.error(`Measured without ${variable}=${process.env[variable]}.`);
    delete process.env[variable];
  }
  return workloads;
}

async function measure(name, workload, context) {
  console.error(`${name}: ${workload.title}`);
  const { head, rows, notes = [] } = await workload.run(context);
  const text = [`### ${name}: ${workload.title}`, '', markdownTable(head, rows), '', ...notes, ''].join('\n');
  console.log(text);
  return text;
}

async function main() {
  const names = positionals.length > 0 ? positionals : WORKLOADS;
  const known = [...WORKLOADS, ...OPTIONAL];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`No workload ${unknown.join(', ')}. There are ${known.join(', ')}.`);
  }
  const context = {
    shapeName: values.shape,
    shape: parseShape(values.shape),
    steps: Number(values.steps),
    warmup: Number(values.warmup),
    threads: Number(values.threads),
    data: resolve(values.data),
    note: (text) => console.error(text),
  };
  const texts = [];
  for (const [name, workload] of await loadWorkloads(names))
    texts.push(await measure(name, workload, context));
  if (!values.record) return;
  const flags = ['shape', 'steps', 'warmup', 'threads'].map((flag) => `--${flag} ${values[flag]}`);
  const command = `node bench/run.mjs ${[...positionals, ...flags].join(' ')}`;
  const date = new Date().toISOString().slice(0, 10);
  const header = `\n## ${date}\n\n${environmentText()}\n\n\`${command}\`\n\n`;
  appendFileSync(join(ROOT, 'bench', 'RESULTS.md'), header + texts.join('\n'));
}

try {
  await main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
