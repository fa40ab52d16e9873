// What others take for the same step on the same card: Hugging Face's Trainer, and loops that an expert writes by hand.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lastJson, runProgram } from './run-program.mjs';

const PEERS = resolve(dirname(fileURLToPath(import.meta.url)), '../../bench/peers');
const SMALL = ['--device', 'cpu', '--layers', '1', '--hidden', '64', '--batch-size', '4'];

/** Rows of the table; a peer that cannot run says why and fails nothing. */
export function peers({ isDry, largeBatch = 1024 }) {
  const trainer = (recipe, counts) => [
    `Hugging Face Trainer, ${recipe}`,
    (context, name) => row(context, name, 'hf_trainer_gpu.py', ['--recipe', recipe], counts),
  ];
  const loop = (mode, batch) => [
    `bare PyTorch loop, ${mode}${batch === 32 ? '' : `, batch ${batch}`}`,
    (context, name) => row(context, name, 'torch_loop_gpu.py', ['--mode', mode], [100, 20], batch),
  ];
  return [
    trainer('defaults', [60, 20]),
    trainer('best', [60, 20]),
    loop('tf32', 32),
    loop('bf16', 32),
    loop('bf16-sorted', isDry ? 8 : largeBatch),
    // Last, as its compilation takes what it takes.
    trainer('compiled', [60, 30]),
  ];
}

async function row({ isDry, lengths, left }, name, program, recipe, [steps, warmup], batch = 32) {
  const folder = mkdtempSync(join(tmpdir(), 'permafrost-peers-'));
  const file = join(folder, 'lengths.json');
  writeFileSync(file, JSON.stringify(lengths));
  const counts = isDry
    ? ['--steps', '2', '--warmup', '1', ...SMALL]
    : ['--steps', `${steps}`, '--warmup', `${warmup}`, '--batch-size', `${batch}`];
  try {
    const python = process.env.PERMAFROST_PYTHON ?? 'python3';
    const args = [join(PEERS, program), '--lengths', file, ...recipe, ...counts];
    const result = lastJson(await runProgram(python, args, { seconds: left - 1 }));
    const compiled = result.compileSeconds ? `, ${result.compileSeconds.toFixed(0)} s to compile` : '';
    return {
      name,
      'a step': `${(result.secondsPerStep * 1000).toFixed(3)} ms${compiled}`,
      'tokens/s': `${(result.tokensPerSecond / 1e6).toFixed(3)} M`,
      peak: `${(result.peakBytes / 2 ** 30).toFixed(2)} GiB`,
      secondsPerStep: result.secondsPerStep,
    };
  } catch (error) {
    return { name, 'a step': `not run: ${error.message}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
