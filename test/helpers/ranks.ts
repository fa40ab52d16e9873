import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '../../src/distributed/free-port.js';
import type { FinetuneOptions, FinetuneResult, PretrainOptions } from '../../src/index.js';
import { BUILT_INDEX, builtEntry } from './child.js';

/** A training of a tiny model on several ranks, each a process on this machine. */
export interface RankedRun {
  name: string;
  /** Number of ranks. */
  size: number;
  task?: 'finetune' | 'pretrain';
  options: Partial<FinetuneOptions> | Partial<PretrainOptions>;
  group?: { timeoutSeconds: number };
  keepPrefix?: boolean;
  /** A rank that is given other training data. */
  otherData?: number;
  /** A rank whose signal aborts behind a step. */
  abortAt?: { rank: number; step: number };
}

/** What a rank tells: its events, then `end` or `error`. */
export interface Told {
  run: string;
  rank: number;
  type: string;
  step?: number;
  kind?: string;
  code?: string;
  message?: string;
  details?: Record<string, unknown>;
}

/** Takes the runs one after another, in as many processes as the largest of them has ranks. */
export async function takeRanks(
  folder: string,
  runs: readonly RankedRun[],
  onTold: (told: Told, kill: (rank: number, signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Told[]> {
  const entries = { index: BUILT_INDEX, training: builtEntry('training'), data: builtEntry('data') };
  const withPorts = await Promise.all(runs.map(async (run) => ({ ...run, port: await freePort() })));
  const script = resolve('test/helpers/rank.mjs');
  const all: Told[] = [];
  const children = Array.from({ length: Math.max(...runs.map(({ size }) => size)) }, (_, rank) => {
    const spec = { rank, entries, folder, runs: withPorts };
    return spawn(process.execPath, [script, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'pipe'] });
  });
  const kill = (rank: number, signal: NodeJS.Signals) => children[rank]!.kill(signal);
  const ends = children.map(
    (child, rank) =>
      new Promise<void>((settle, reject) => {
        let [text, stderr] = ['', ''];
        child.stderr!.on('data', (chunk: Buffer) => {
          stderr += chunk;
        });
        child.stdout!.on('data', (chunk: Buffer) => {
          const lines = (text + chunk.toString()).split('\n');
          text = lines.pop()!;
          for (const line of lines) {
            const told = { rank, ...(JSON.parse(line) as Omit<Told, 'rank'>) };
            all.push(told);
            onTold(told, kill);
          }
        });
        child.on('error', reject);
        child.on('close', (code, signal) =>
          code === 0 || signal !== null ? settle() : reject(new Error(`rank ${rank}: ${code}: ${stderr}`)),
        );
      }),
  );
  await Promise.all(ends);
  return all;
}

/** What a rank ended with. */
export interface Outcome extends FinetuneResult {
  /** Types of the events that were not steps, in order. */
  types: string[];
  weights: Float32Array[];
}

export function outcomeOf(folder: string, run: string, rank = 0): Outcome {
  const path = join(folder, `${run}-${rank}`);
  const { sizes, ...result } = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
  const bytes = new Uint8Array(readFileSync(`${path}.bin`)).buffer;
  let at = 0;
  const weights = (sizes as number[]).map((size) => {
    at += 4 * size;
    return new Float32Array(bytes, at - 4 * size, size);
  });
  return { ...result, weights };
}

/** The largest difference of losses, and of a weight against the largest of its tensor; relative. */
export function distance(a: Outcome, b: Outcome): { losses: number; weights: number } {
  const relative = (x: ArrayLike<number>, y: ArrayLike<number>) => {
    let [largest, difference] = [0, 0];
    for (let i = 0; i < x.length; i++) {
      largest = Math.max(largest, Math.abs(x[i]!));
      difference = Math.max(difference, Math.abs(x[i]! - y[i]!));
    }
    return difference === 0 ? 0 : difference / largest;
  };
  if (a.losses.length !== b.losses.length) return { losses: Infinity, weights: Infinity };
  return {
    losses: Math.max(...a.losses.map((loss, i) => Math.abs(loss - b.losses[i]!) / Math.abs(loss))),
    weights: Math.max(...a.weights.map((tensor, i) => relative(tensor, b.weights[i]!))),
  };
}
