import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenClassifier } from '../../src/index.js';
import { Random } from '../../src/io/random.js';
import { BUILT_INDEX } from '../helpers/child.js';
import { longBatch, TINY } from '../helpers/with-model.js';

/** Ends of each kind; `PERMAFROST_ENDS=200` for a thorough run. */
const ENDS = Number(process.env.PERMAFROST_ENDS ?? 3);
const LIFE = resolve('test/stress/life.mjs');

/** A step of it takes some 20 ms. */
const CONFIG = { ...TINY, hiddenSize: 64, intermediateSize: 256, maxPositions: 128 };
const { inputIds } = longBatch(16, 128, 50);
const BATCH = { inputIds, labels: inputIds.map((ids) => ids.map((id) => id % 3)) };

const PHASES = ['load', 'train', 'dispose'] as const;
type Phase = (typeof PHASES)[number];
/** Longest time from the beginning of a phase to an end within it, in ms. */
const spans = { load: 0, train: 150, dispose: 30 };

interface Moment {
  phase: Phase;
  ms: number;
  /** A number of [0, 1) for whatever else is left to chance. */
  chance: number;
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-ends-'));
  const model = await TokenClassifier.create(CONFIG, { threads: 1 });
  await model.save(folder);
  await model.dispose();
  // How long loading takes here and now.
  const started = performance.now();
  await live({ place: 'main' }, (phase, kill) => {
    if (phase === 'train') spans.load = performance.now() - started;
    if (phase === 'dispose') kill('SIGKILL');
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs life.mjs until it ends; `act` is called at each beginning of a phase. */
function live(facts: object, act: (phase: Phase, kill: (signal: NodeJS.Signals) => void) => void = () => {}) {
  const task = { index: BUILT_INDEX, checkpoint: folder, config: CONFIG, batch: BATCH, ...facts };
  return new Promise<Ended>((settle, reject) => {
    const child = spawn(process.execPath, [LIFE, JSON.stringify(task)]);
    const timer = setTimeout(() => child.kill('SIGKILL'), 600_000);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.on('data', (text: Buffer) => {
      for (const phase of text.toString().trim().split('\n')) act(phase as Phase, (name) => child.kill(name));
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      settle({ code, signal, stderr });
    });
  });
}

/**
 * Ends lives at moments spread over the phases, two at a time.
 *
 * @returns the ends that were not orderly, with what led to them
 */
async function disorderlyEnds(
  kind: string,
  end: (moment: Moment) => Promise<{ facts: object; ended: Ended; isOrderly: boolean }>,
) {
  const random = new Random(5, kind);
  const moments = Array.from({ length: ENDS }, (_, i): Moment => {
    const phase = PHASES[i % PHASES.length]!;
    return { phase, ms: random.next() * spans[phase], chance: random.next() };
  });
  const disorderly: object[] = [];
  const next = moments.values();
  const endOneByOne = async () => {
    for (const moment of next) {
      const { facts, ended, isOrderly } = await end(moment);
      if (!isOrderly) disorderly.push({ ...facts, ...ended });
    }
  };
  await Promise.all([endOneByOne(), endOneByOne()]);
  return disorderly;
}

const WITHIN: [name: string, end: string, places: string[], code: number, stderr: RegExp][] = [
  ['a worker is terminated', 'terminate', ['worker'], 7, /^$/],
  ['process.exit is called', 'exit', ['main', 'worker'], 7, /^$/],
  ['an error is thrown', 'throw', ['main', 'worker'], 1, /on purpose/],
  ['a promise is rejected', 'reject', ['main', 'worker'], 1, /on purpose/],
  ['nothing is left but a worker that does not count', 'leave', ['worker'], 7, /^$/],
];

describe('a process ends in order at any moment of loading, training and disposing', () => {
  it.each(WITHIN)(
    'where %s',
    async (_, end, places, code, stderr) => {
      const disorderly = await disorderlyEnds(end, async ({ phase, ms, chance }) => {
        const facts = { phase, ms, end, place: places[Math.floor(chance * places.length)] };
        const ended = await live(facts);
        return { facts, ended, isOrderly: ended.code === code && stderr.test(ended.stderr) };
      });
      expect(disorderly).toEqual([]);
    },
    3_600_000,
  );

  it('where SIGTERM comes twice', async () => {
    const disorderly = await disorderlyEnds('SIGTERM', async ({ phase, ms, chance }) => {
      const facts = { phase, ms, again: chance * 50 };
      let isFirst = true;
      const ended = await live({ place: 'main' }, (begun, kill) => {
        if (begun !== phase || !isFirst) return;
        isFirst = false;
        setTimeout(() => kill('SIGTERM'), ms);
        setTimeout(() => kill('SIGTERM'), ms + facts.again);
      });
      return { facts, ended, isOrderly: ended.code === 7 && ended.stderr === '' };
    });
    expect(disorderly).toEqual([]);
  }, 3_600_000);
});
