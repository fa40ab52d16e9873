import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Group } from '../../src/distributed/group.js';
import type { Place } from '../../src/distributed/place.js';
import { thrownBy } from '../helpers/thrown.js';

const BUILT_GROUP = pathToFileURL(resolve('dist/distributed/group.js')).href;

/** What a rank's process is told; `body` sees `group`, `rank` and `say`. */
interface Ranks {
  size: number;
  body: string;
  host?: string;
  /** Words before the command of a rank, such as those that put it onto another host. */
  wrap?: (rank: number) => string[];
  options?: Partial<{ firstTimeoutSeconds: number; timeoutSeconds: number }>;
  place?: (rank: number) => Partial<Place>;
}

interface Heard {
  said: unknown[];
  error: { code: string; message: string } | null;
  signal: NodeJS.Signals | null;
}

function freePort(): Promise<number> {
  return new Promise((settle) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => settle(port));
    });
  });
}

/** Runs the ranks as processes of their own and gives what each said. */
async function runRanks({ size, body, host = '127.0.0.1', wrap = () => [], options, place }: Ranks) {
  const port = await freePort();
  const heard = Array.from({ length: size }, (_, rank) => {
    const placed: Place = {
      rank,
      size,
      localRank: rank,
      localSize: size,
      host,
      port,
      serves: rank === 0,
      prefix: 'test',
      launcher: 'permafrost',
      ...place?.(rank),
    };
    const source = `
      import { Group } from ${JSON.stringify(BUILT_GROUP)};
      const say = (value) => process.stdout.write(JSON.stringify({ said: value }) + '\\n');
      const rank = ${rank};
      try {
        const group = await Group.join(${JSON.stringify(placed)}, ${JSON.stringify(options ?? {})});
        ${body}
        await group.close();
      } catch (error) {
        process.stdout.write(JSON.stringify({ error: { code: error.code, message: error.message } }) + '\\n');
      }`;
    const [command, ...args] = [...wrap(rank), process.execPath, '--input-type=module', '-e', source];
    return new Promise<Heard>((settle, reject) => {
      const child = spawn(command!, args, { timeout: 40_000, killSignal: 'SIGKILL' });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.on('error', reject);
      child.on('close', (_, signal) => {
        if (stderr !== '') return reject(new Error(`rank ${rank} printed: ${stderr}`));
        const lines = stdout
          .trim()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Partial<Heard> & { said?: unknown });
        settle({
          said: lines.filter((line) => 'said' in line).map((line) => line.said),
          error: lines.find((line) => line.error)?.error ?? null,
          signal,
        });
      });
    });
  });
  return Promise.all(heard);
}

describe('a group of ranks', () => {
  it('gathers values and bytes, and agrees on facts or says on each rank what differs', async () => {
    const ranks = await runRanks({
      size: 3,
      body: `
        say(group.members.map(({ rank, pid, device }) => [rank, pid > 0, device]));
        say(await group.gather({ rank, half: rank / 2, nothing: null }));
        say((await group.gatherBytes(new Uint8Array(rank).fill(rank))).map((bytes) => [...bytes]));
        await group.agree({ plan: 'abc', seed: 1 });
        say(group.bytesSent() > 0);
        await group.agree({ plan: 'abc', data: rank === 2 ? 'changed' : 'same' });`,
      place: () => ({ secret: 'of this run' }),
    });
    for (const { said, error } of ranks) {
      expect(said).toEqual([
        [0, 1, 2].map((rank) => [rank, true, 'cpu']),
        [0, 1, 2].map((rank) => ({ rank, half: rank / 2, nothing: null })),
        [[], [1], [2, 2]],
        true,
      ]);
      expect(error).toEqual({
        code: 'RANKS_DIVERGED',
        message: expect.stringMatching(
          /^data differs: "same" on rank 0 \(.+, process \d+\), "changed" on rank 2 \(/,
        ),
      });
      expect(error).toEqual(ranks[0]!.error);
    }
  });

  it('fails on every other rank, in the same words, when one is killed', async () => {
    const [first, second, third] = await runRanks({
      size: 3,
      body: `
        await group.gather(1);
        if (rank === 1) process.kill(process.pid, 'SIGKILL');
        await group.gather(2);`,
    });
    expect([second!.error, second!.signal]).toEqual([null, 'SIGKILL']);
    expect(first!.error).toEqual({
      code: 'RANK_FAILED',
      message: expect.stringMatching(/^rank 1 \(.+, process \d+\) ended/),
    });
    expect(third!.error).toEqual(first!.error);
  });

  it('names a rank that leaves early with its reason', async () => {
    const [first] = await runRanks({
      size: 2,
      body: `
        if (rank === 1) await group.close('no space is left');
        else await group.gather(2);`,
    });
    expect(first!.error).toEqual({
      code: 'RANK_FAILED',
      message: expect.stringMatching(
        /^rank 1 \(.+\) left while others waited for it to gather bytes: no space is left$/,
      ),
    });
  });

  it('says which ranks did not come', async () => {
    const port = await freePort();
    const place: Place = {
      rank: 0,
      size: 3,
      localRank: 0,
      localSize: 3,
      host: '127.0.0.1',
      port,
      serves: true,
      prefix: 'test',
      launcher: 'permafrost',
    };
    const error = await thrownBy(() => Group.join(place, { firstTimeoutSeconds: 0.3 }));
    expect(error).toMatchObject({
      code: 'RANK_FAILED',
      message: expect.stringContaining('these did not come within 0.3 s: 1, 2.'),
    });
  });

  it('refuses a rank that is taken', async () => {
    const ranks = await runRanks({
      size: 2,
      body: '',
      place: (rank) => ({ rank: 0, serves: rank === 0 }),
    });
    const message = expect.stringMatching(/^Another process is rank 0 already/);
    const codes = ranks.map(({ error }) => error!.code).sort();
    expect(ranks.map(({ error }) => error!.message)).toEqual([message, message]);
    expect(codes).toEqual(['INVALID_OPTION', 'RANK_FAILED']);
  });

  it('of one rank needs no other', async () => {
    const place: Place = {
      rank: 0,
      size: 1,
      localRank: 0,
      localSize: 1,
      host: '127.0.0.1',
      port: 1,
      serves: true,
      prefix: 'test',
      launcher: 'permafrost',
    };
    const group = await Group.join(place);
    expect(await group.gather('alone')).toEqual(['alone']);
    await group.agree({ plan: 1 });
    expect(group.bytesSent()).toBe(0);
    await group.close();
    await group.close();
    expect(await thrownBy(() => group.gather(1))).toMatchObject({ code: 'DISPOSED' });
  });
});

const HOSTS = ['permafrost-a', 'permafrost-b'];
const ip = (...args: string[]) => spawnSync('ip', args, { stdio: 'pipe' }).status === 0;
const hasHosts =
  process.platform === 'linux' &&
  ip('netns', 'add', 'permafrost-probe') &&
  ip('netns', 'del', 'permafrost-probe');
if (!hasHosts)
  console.warn('Network namespaces may not be made here: ranks on several hosts are not tested.');

describe.skipIf(!hasHosts)('ranks on two hosts', () => {
  const removeHosts = () => {
    for (const host of HOSTS) ip('netns', 'del', host);
  };
  beforeAll(() => {
    removeHosts();
    for (const host of HOSTS) expect(ip('netns', 'add', host)).toBe(true);
    expect(
      ip(
        'link',
        'add',
        'pf-a',
        'netns',
        HOSTS[0]!,
        'type',
        'veth',
        'peer',
        'name',
        'pf-b',
        'netns',
        HOSTS[1]!,
      ),
    ).toBe(true);
    for (const [index, name] of ['pf-a', 'pf-b'].entries()) {
      expect(ip('-n', HOSTS[index]!, 'addr', 'add', `10.91.7.${index + 1}/24`, 'dev', name)).toBe(true);
      expect(ip('-n', HOSTS[index]!, 'link', 'set', name, 'up')).toBe(true);
      expect(ip('-n', HOSTS[index]!, 'link', 'set', 'lo', 'up')).toBe(true);
    }
  });
  afterAll(removeHosts);
  const wrap = (rank: number) => ['ip', 'netns', 'exec', HOSTS[rank % 2]!];

  it('meet by the address of the store', async () => {
    const ranks = await runRanks({
      size: 2,
      host: '10.91.7.1',
      wrap,
      body: 'say((await group.gather(rank)).length); await group.agree({ plan: 1 });',
    });
    for (const { said, error } of ranks) expect([said, error]).toEqual([[2], null]);
  });

  it('say where a rank listens that they cannot reach', async () => {
    const [first, second] = await runRanks({
      size: 2,
      host: '10.91.7.1',
      wrap,
      body: '',
      place: (rank) => (rank === 0 ? { bind: '127.0.0.1' } : {}),
    });
    const message = expect.stringMatching(
      /^rank 0 \(.+\) cannot be reached at 127\.0\.0\.1:\d+ from .+`bind`/,
    );
    expect([first!.error, second!.error]).toEqual(Array(2).fill({ code: 'RANK_FAILED', message }));
  });

  it('end when a host is cut off', async () => {
    const [first, second] = await runRanks({
      size: 2,
      host: '10.91.7.1',
      wrap,
      options: { timeoutSeconds: 2, firstTimeoutSeconds: 20 },
      body: `
        await group.gather(1);
        if (rank === 0) {
          const { spawnSync } = await import('node:child_process');
          spawnSync('ip', ['link', 'set', 'pf-a', 'down']);
        }
        for (;;) await group.gather(2);`,
    });
    expect(first!.error).toMatchObject({
      code: 'RANK_FAILED',
      message: expect.stringMatching(/^rank 1 /),
    });
    expect(second!.error).toMatchObject({
      code: 'RANK_FAILED',
      message: expect.stringMatching(/^rank 0 /),
    });
  });
});
