import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/distributed/free-port.js';
import { Group, type GroupOptions } from '../../src/distributed/group.js';
import type { Place } from '../../src/distributed/place.js';
import { thrownBy } from '../helpers/thrown.js';

const BUILT_GROUP = pathToFileURL(resolve('dist/distributed/group.js')).href;

/** What a rank's process is told; `body` sees `group`, `rank` and `say`, and what comes `before` has no group yet. */
interface Ranks {
  size: number;
  body: string;
  before?: string;
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

const placeOf = (rank: number, size: number, port: number): Place => ({
  ...{ rank, size, localRank: rank, localSize: size, host: '127.0.0.1', port },
  ...{ serves: rank === 0, prefix: 'test', launcher: 'permafrost' },
});

/** Runs the ranks as processes of their own and gives what each said. */
async function runRanks({
  size,
  body,
  before = '',
  host = '127.0.0.1',
  wrap = () => [],
  options,
  place,
}: Ranks) {
  const port = await freePort();
  const children: ChildProcessWithoutNullStreams[] = [];
  let ready = 0;
  const heard = Array.from({ length: size }, (_, rank) => {
    const placed: Place = { ...placeOf(rank, size, port), host, ...place?.(rank) };
    const source = `
      import { Group } from ${JSON.stringify(BUILT_GROUP)};
      const say = (value) => process.stdout.write(JSON.stringify({ said: value }) + '\\n');
      const rank = ${rank};
      try {
        const join = () => Group.join(${JSON.stringify(placed)}, ${JSON.stringify(options ?? {})});
        ${before}
        const group = await join();
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
      children.push(child);
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
        if (String(chunk).includes('"ready"') && ++ready === size)
          for (const { stdin } of children) stdin.end('go');
      });
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.on('error', reject);
      child.on('close', (_, signal) => {
        // Later versions of c10d warn of hosts without a name, which these have not.
        stderr = stderr.replace(/^\[W.*\[c10d\] The hostname of the client socket.*\n/gm, '');
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

/** Ranks of this process. */
async function joined(size: number, options: GroupOptions = {}): Promise<Group[]> {
  const port = await freePort();
  return Promise.all(
    Array.from({ length: size }, (_, rank) => Group.join(placeOf(rank, size, port), options)),
  );
}

const isThorough = process.env.PERMAFROST_KILLS !== undefined;

describe('a group of ranks', () => {
  it('gathers values and bytes, and agrees on facts or says on each rank what differs', async () => {
    const groups = await joined(3);
    const [first] = groups;
    expect(first!.members.map(({ rank, pid, device }) => [rank, pid, device])).toEqual(
      [0, 1, 2].map((rank) => [rank, process.pid, 'cpu']),
    );
    const on = <T>(call: (group: Group) => Promise<T>) => Promise.all(groups.map(call));
    const values = [0, 1, 2].map((rank) => ({ rank, half: rank / 2, nothing: null }));
    expect(await on(({ rank }) => groups[rank]!.gather(values[rank]))).toEqual(Array(3).fill(values));
    const bytes = await on((group) => group.gatherBytes(new Uint8Array(group.rank).fill(group.rank)));
    for (const all of bytes) expect(all.map((part) => [...part])).toEqual([[], [1], [2, 2]]);
    await on((group) => group.agree({ plan: 'abc', seed: 1 }));
    for (const group of groups) expect(group.bytesSent()).toBeGreaterThan(0);
    const errors = await on((group) =>
      thrownBy(() => group.agree({ plan: 'abc', data: group.rank === 2 ? 'changed' : 'same' })),
    );
    for (const error of errors) {
      expect(error).toMatchObject({
        code: 'RANKS_DIVERGED',
        message: expect.stringMatching(
          /^data differs: "same" on rank 0 \(.+, process \d+\), "changed" on rank 2 \(/,
        ),
      });
      expect(error.message).toBe(errors[0]!.message);
    }
    await on((group) => group.close());
  });

  it('fails on every other rank, in the same words, when one is killed', async () => {
    const [first, second, third] = await runRanks({
      size: 3,
      body: `
        await group.gather(1);
        await group.agree({ plan: 1 });
        if (rank === 1) process.kill(process.pid, 'SIGKILL');
        await group.gather(2);`,
      place: () => ({ secret: 'of this run' }),
    });
    expect([second!.error, second!.signal]).toEqual([null, 'SIGKILL']);
    expect(first!.error).toEqual({
      code: 'RANK_FAILED',
      message: expect.stringMatching(/^rank 1 \(.+, process \d+\) ended/),
    });
    expect(third!.error).toEqual(first!.error);
  });

  it('names a rank that leaves early with its reason, in a call under way and in one that comes later', async () => {
    const [first, second, third] = await joined(3);
    await Promise.all([first, second, third].map((group) => group!.gather(1)));
    const waiting = thrownBy(() => first!.gather(2));
    await second!.close('no space is left');
    const error = await waiting;
    expect(error).toMatchObject({
      code: 'RANK_FAILED',
      message: expect.stringMatching(
        /^rank 1 \(.+\) left while others waited for it to gather bytes: no space is left$/,
      ),
    });
    expect(await thrownBy(() => third!.gather(2))).toMatchObject({ message: error.message });
    await Promise.all([first!.close(), third!.close()]);
  });

  it('lets a rank leave that is done, and one that gives up waiting', async () => {
    const [first, second] = await joined(2);
    const last = [first, second].map((group) => group!.gather(group!.rank));
    expect(await last[1]).toEqual([0, 1]);
    await second!.close();
    expect(await last[0]).toEqual([0, 1]);
    await first!.close();
    const [other, silent] = await joined(2);
    const waiting = thrownBy(() => other!.gather(1));
    await other!.close('had enough');
    expect(await waiting).toMatchObject({ code: 'DISPOSED' });
    // What the other had sent before it left still counts.
    const gathersOn = async () => {
      for (;;) await silent!.gather(1);
    };
    expect(await thrownBy(gathersOn)).toMatchObject({
      message: expect.stringMatching(/^rank 0 .*: had enough$/),
    });
    await silent!.close();
  });

  // The moments at which ranks meet, of a process that has loaded the engine.
  const moments = isThorough ? [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100] : [12];
  it.each(moments)(
    'ends on all ranks where the process that serves the store dies after %i ms',
    async (ms) => {
      const [first, ...others] = await runRanks({
        size: 3,
        options: { firstTimeoutSeconds: 3, timeoutSeconds: 3 },
        // All have loaded the engine before the first one begins.
        before: `
        await (await Group.join({ rank: 0, size: 1, host: '', port: 1, serves: true, prefix: '' })).close();
        say('ready');
        await new Promise((settle) => process.stdin.once('data', settle));
        process.stdin.destroy();
        if (rank === 0) setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${ms});`,
        body: 'for (;;) await group.gather(1);',
      });
      expect(first!.signal).toBe('SIGKILL');
      for (const { error, signal } of others) expect([error?.code, signal]).toEqual(['RANK_FAILED', null]);
    },
  );

  it('says which ranks did not come', async () => {
    const port = await freePort();
    const error = await thrownBy(() => Group.join(placeOf(0, 3, port), { firstTimeoutSeconds: 0.3 }));
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
    const group = await Group.join(placeOf(0, 1, 1));
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
