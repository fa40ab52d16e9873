import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RunFollower } from '../../src/training/log/follow.js';

const line = (step: number, time = step) =>
  `${JSON.stringify({
    ...{ type: 'step', time, epoch: 1, step, totalSteps: 9, loss: 1, learningRate: 1 },
    ...{ gradNorm: 1, tokens: step, tokensPerSecond: 1 },
  })}\n`;

it('lines are told once, whole, also where a run goes on from before its last line or begins anew', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'permafrost-follow-'));
  try {
    const follower = new RunFollower(directory);
    const poll = async () => (await follower.poll()).map((found) => found.step);
    expect(await poll()).toEqual([]);
    const file = join(directory, 'metrics.jsonl');
    await writeFile(file, line(1) + line(2) + line(3).slice(0, 20));
    expect(await poll()).toEqual([1, 2]);
    await appendFile(file, line(3).slice(20) + line(4));
    expect(await poll()).toEqual([3, 4]);
    expect(await poll()).toEqual([]);
    // Goes on from step 2: the third and fourth are written again, and were told.
    await truncate(file, line(1).length + line(2).length);
    expect(await poll()).toEqual([]);
    await appendFile(file, `${line(3, 30)}${line(4, 40)}${line(5, 50)}{"type":"of a later version"}\n`);
    expect(await poll()).toEqual([5]);
    await writeFile(file, line(1, 100));
    expect(await poll()).toEqual([1]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
