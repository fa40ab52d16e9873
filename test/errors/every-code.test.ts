import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { freePort } from '../../src/distributed/free-port.js';
import { Group } from '../../src/distributed/group.js';
import type { Place } from '../../src/distributed/place.js';
import {
  bottomUp,
  downloadModel,
  ERROR_CODES,
  type ErrorCode,
  evaluate,
  type FinetuneOptions,
  finetune,
  labelSet,
  readSentences,
  type Sentence,
  Tagger,
  TokenClassifier,
} from '../../src/index.js';
import { RunDirectory } from '../../src/training/directory.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { type SmallTask, smallTask } from '../helpers/corpus.js';
import { type LocalHub, localHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';
import { TINY } from '../helpers/with-model.js';
import { call, type Faces, namesOfOther, type Provocation, type Told } from './provoked.js';

const FRESH = ['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '200', '--threads', '1'];
const ONE_EPOCH = ['--epochs', '1', '--batch-size', '16'];
const MODEL_NAME = 'some-one/tiny';

const home = mkdtempSync(join(tmpdir(), 'permafrost-errors-'));
const output = capturedOutput();
let task: SmallTask;
let hub: LocalHub;
/** Directory of a case, with data, a model that was trained on them, and one of its own to be damaged. */
let folder: string;
const at = (...parts: string[]) => join(folder, ...parts);

beforeAll(async () => {
  task = smallTask();
  writeFileSync(join(home, 'data.conll'), conll([...task.train, ...task.validation]));
  await using model = await task.createModel();
  await model.save(join(home, 'model'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(home, 'case-'));
  for (const name of ['data.conll', 'model']) cpSync(join(home, name), at(name), { recursive: true });
  const files = readdirSync(at('model')).map((name) => [name, readFileSync(at('model', name))] as const);
  hub = await localHub({
    [MODEL_NAME]: { files: Object.fromEntries(files) },
    'some-one/secret': { files: Object.fromEntries(files), token: 'hf_right' },
  });
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', at('hub'));
  vi.stubEnv('HF_HUB_CACHE', '');
});
afterEach(() => vi.unstubAllEnvs());

function conll(sentences: readonly Sentence[]): string {
  const lines = ({ words, tags }: Sentence) => words.map((word, i) => `${word} ${tags[i]}\n`).join('');
  return sentences.map(lines).join('\n');
}

/** A command that fails, and one that does not; `prepare` and `repair` come before each. */
function command(
  fails: () => string[],
  works: () => string[],
  says: RegExp,
  { prepare = () => {}, repair = () => {} }: { prepare?: () => unknown; repair?: () => unknown } = {},
): Provocation {
  return {
    says,
    async provoke() {
      await prepare();
      output.err = '';
      const exit = await main(fails());
      return { ...toldBy(output.err), exit };
    },
    async mend() {
      await repair();
      output.err = '';
      expect({ exit: await main(works()), err: output.err }).toMatchObject({ exit: 0 });
    },
  };
}

function toldBy(stderr: string): Omit<Told, 'exit'> {
  const [, code = stderr, message = stderr] = /error \[(\w+)\]: (.*)/s.exec(stderr) ?? [];
  return { code, message };
}

/** The same in a process of its own, whose addon is what the environment says. */
function child(env: () => Record<string, string>, says: RegExp): Pick<Faces, 'api' | 'cli'> {
  const create = `const { TokenClassifier } = await import(${JSON.stringify(BUILT_INDEX)});
    const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { threads: 1 }).catch(
      (error) => console.error('error [' + error.code + ']: ' + error.message));
    await model?.dispose();`;
  const api = async (settings: object) => {
    const assign = `Object.assign(process.env, ${JSON.stringify(settings)});`;
    return { ...(await runChild(`${assign}${create}`)), code: null };
  };
  const cli = (settings: Record<string, string>) =>
    new Promise<{ code: number | null; stderr: string }>((settle) => {
      const args = [
        resolve('dist/cli/main.js'),
        'predict',
        '--model',
        at('model'),
        '--text',
        'Anna',
        '--threads',
        '1',
      ];
      const started = spawn(process.execPath, args, { env: { ...process.env, ...settings } });
      let stderr = '';
      started.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      started.stdout.resume();
      started.on('close', (code) => settle({ code, stderr }));
    });
  const face = (
    run: (settings: Record<string, string>) => Promise<{ code: number | null; stderr: string }>,
  ) => ({
    says,
    async provoke() {
      const { code, stderr } = await run(env());
      return { ...toldBy(stderr), exit: code };
    },
    async mend() {
      // What building or installing leaves: an addon that is there and goes with its libtorch.
      expect((await run({})).stderr).toBe('');
    },
  });
  return { api: face(api), cli: face(cli) };
}

const predict = (model: string, ...more: string[]) => [
  ...['predict', '--model', model, '--text', 'Anna lives in Almaty.', '--threads', '1'],
  ...more,
];
const train = (...more: string[]) => [
  ...['train', '--data', at('data.conll'), ...FRESH, ...ONE_EPOCH, '--out', at('out')],
  ...more,
];
const score = (...more: string[]) => [
  'evaluate',
  '--model',
  at('model'),
  '--data',
  at('data.conll'),
  ...more,
];

async function tune(options: Partial<FinetuneOptions> = {}): Promise<void> {
  const { train, validation } = task;
  await using model = options.model ?? (await task.createModel());
  await finetune({ model, train, validation, epochs: 1, energy: false, ...options }).result;
}

async function load(...options: Parameters<typeof TokenClassifier.load>[1][]): Promise<void> {
  await using _ = await TokenClassifier.load(at('model'), { threads: 1, ...options[0] });
}

/** Changes what the model's configuration says. */
function configure(change: object): void {
  const file = at('model', 'config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }));
}

function cutWeights(): void {
  const file = at('model', 'model.safetensors');
  writeFileSync(file, readFileSync(file).subarray(0, 5000));
}

function replaceModel(): void {
  cpSync(join(home, 'model'), at('model'), { recursive: true });
}

/** Replaces the last tag of the data. */
function retag(tag: string): void {
  writeFileSync(at('data.conll'), readFileSync(at('data.conll'), 'utf8').replace(/\S+\n$/, `${tag}\n`));
}

function falsify(): void {
  hub.intercept = (request, response) => {
    if (!request.url!.startsWith('/cdn/')) return false;
    response.end(randomBytes(readFileSync(at('model', 'model.safetensors')).length));
    return true;
  };
}

/** Few attempts without waits between them. */
const QUICK = { retry: { attempts: 1, firstDelayMs: 1 } };

/** A call that needs what `prepare` makes, and works after `repair`. */
function file(
  prepare: () => unknown,
  run: () => Promise<unknown>,
  repair: () => unknown,
  says: RegExp,
): Provocation {
  const prepared = async () => {
    await prepare();
    await run();
  };
  const repaired = async () => {
    await repair();
    await run();
  };
  return call(prepared, repaired, says);
}

let held: RunDirectory;
const hold = async () => {
  held = await RunDirectory.open(at('out'));
};
const release = () => held.close();

/** A module in place of the addon that says what it was built against. */
function wrongAddon(): Record<string, string> {
  const libtorch = {
    builtVersion: '1.13.0',
    loadedVersion: '2.6.0',
    root: '/nowhere',
    loadedPath: '/elsewhere',
  };
  writeFileSync(at('addon.cjs'), `module.exports = ${JSON.stringify({ libtorch })};`);
  return { PERMAFROST_ADDON: at('addon.cjs') };
}

const CASES: Readonly<Record<ErrorCode, Faces>> = {
  INVALID_OPTION: {
    api: call(
      () => tune({ batchSize: 0 }),
      () => tune({ batchSize: 8 }),
      /`batchSize`: expected a number above 0, got 0/,
    ),
    cli: command(
      () => train('--batch-size', '0'),
      () => train('--batch-size', '8'),
      /--batch-size: expected a number above 0, got 0/,
    ),
  },
  INVALID_BATCH: {
    api: file(
      () => {},
      async () => {
        await using model = await TokenClassifier.create(TINY, { threads: 1 });
        await model.logits({ inputIds: [[wrongId]] });
      },
      () => {
        wrongId = 1;
      },
      /999/,
    ),
    cli: 'commands make their batches themselves',
  },
  INVALID_PLAN: {
    api: call(
      () => tune({ freezing: bottomUp(9) }),
      () => tune({ freezing: bottomUp(2) }),
      /Choose a number from 0 to 2/,
    ),
    cli: command(
      () => train('--freeze', 'bottom-up:9'),
      () => train('--freeze', 'bottom-up:2'),
      /Choose a number from 0 to 2/,
    ),
  },
  DATA_FORMAT: {
    api: file(
      () => writeFileSync(at('data.conll'), 'Anna B-PER\nlives\n'),
      () => readSentences(at('data.conll')),
      () => writeFileSync(at('data.conll'), 'Anna B-PER\nlives O\n'),
      /data\.conll:2: .*Complete the line/s,
    ),
    cli: command(score, score, /data\.conll:2: .*name --token-column and --tag-column/s, {
      prepare: () => writeFileSync(at('data.conll'), 'Anna B-PER\nlives\n'),
      repair: () => writeFileSync(at('data.conll'), 'Anna B-PER\nlives O\n'),
    }),
  },
  WEIGHTS_FORMAT: {
    api: file(cutWeights, load, replaceModel, /cut short/),
    cli: command(score, score, /cut short/, { prepare: cutWeights, repair: replaceModel }),
  },
  WEIGHTS_MISMATCH: {
    api: file(() => configure({ intermediate_size: 32 }), load, replaceModel, /intermediate.*64/s),
    cli: command(score, score, /intermediate.*64/s, {
      prepare: () => configure({ intermediate_size: 32 }),
      repair: replaceModel,
    }),
  },
  UNSUPPORTED_MODEL: {
    api: file(
      () => configure({ model_type: 't5' }),
      load,
      () => configure({ model_type: 'bert' }),
      /"bert"/,
    ),
    cli: command(score, score, /"bert"/, {
      prepare: () => configure({ model_type: 't5' }),
      repair: () => configure({ model_type: 'bert' }),
    }),
  },
  LABEL_MISMATCH: {
    api: file(
      () => {
        labels = labelSet([{ tags: ['O'] }]);
      },
      async () => {
        await using model = await TokenClassifier.load(at('model'), { labels, threads: 1 });
        await evaluate({ model, sentences: task.validation });
      },
      () => {
        labels = labelSet([...task.train, ...task.validation]);
      },
      /`labels`: give it the label set of all splits/,
    ),
    cli: command(score, score, /data\.conll:\d+ .*B-STAR.*Correct the tag/s, {
      prepare: () => retag('B-STAR'),
      repair: () => retag('O'),
    }),
  },
  FILE_NOT_FOUND: {
    api: call(
      () => readSentences(at('date.conll')),
      () => readSentences(at('data.conll')),
      /date\.conll/,
    ),
    cli: command(
      () => ['evaluate', '--model', at('model'), '--data', at('date.conll')],
      score,
      /date\.conll/,
    ),
  },
  WRITE_FAILED: {
    api: call(
      () => tune({ directory: at('data.conll', 'below') }),
      () => tune({ directory: at('elsewhere') }),
      /data\.conll/,
    ),
    cli: command(
      () => train('--out', at('data.conll', 'below')),
      () => train('--out', at('elsewhere')),
      /data\.conll/,
    ),
  },
  LOCKED: {
    api: file(hold, () => tune({ directory: at('out') }), release, new RegExp(`${process.pid}`)),
    cli: command(train, train, new RegExp(`${process.pid}`), { prepare: hold, repair: release }),
  },
  RUN_MISMATCH: {
    api: call(
      async () => {
        await tune({ directory: at('out') });
        await tune({ directory: at('out'), optimizer: { learningRate: 1e-3 } });
      },
      () => tune({ directory: at('out'), optimizer: { learningRate: 1e-3 }, restart: true }),
      /`optimizer\.learningRate` 0\.00003 there, 0\.001 now.*`restart: true`/s,
    ),
    cli: command(
      () => train('--learning-rate', '3e-4'),
      () => train('--learning-rate', '3e-4', '--restart'),
      /--learning-rate 0\.0005 there, 0\.0003 now.*--restart/s,
      { prepare: () => main(train()) },
    ),
  },
  NETWORK_FAILED: {
    api: file(
      () => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9'),
      () => downloadModel(MODEL_NAME, QUICK),
      () => vi.stubEnv('HF_ENDPOINT', hub.url),
      /127\.0\.0\.1:9/,
    ),
    cli: command(
      () => predict(MODEL_NAME),
      () => predict(MODEL_NAME),
      /127\.0\.0\.1:9/,
      {
        prepare: () => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9'),
        repair: () => vi.stubEnv('HF_ENDPOINT', hub.url),
      },
    ),
  },
  ACCESS_DENIED: {
    api: file(
      () => {},
      () => downloadModel('some-one/secret'),
      () => vi.stubEnv('HF_TOKEN', 'hf_right'),
      /HF_TOKEN/,
    ),
    cli: command(
      () => predict('some-one/secret'),
      () => predict('some-one/secret'),
      /HF_TOKEN/,
      { repair: () => vi.stubEnv('HF_TOKEN', 'hf_right') },
    ),
  },
  REMOTE_NOT_FOUND: {
    api: call(
      () => downloadModel(`${MODEL_NAME}@v9`),
      () => downloadModel(`${MODEL_NAME}@main`),
      /v9/,
    ),
    cli: command(
      () => predict(`${MODEL_NAME}@v9`),
      () => predict(`${MODEL_NAME}@main`),
      /v9/,
    ),
  },
  HASH_MISMATCH: {
    api: file(
      falsify,
      () => downloadModel(MODEL_NAME),
      () => {
        hub.intercept = null;
      },
      /try again/,
    ),
    cli: command(
      () => predict(MODEL_NAME),
      () => predict(MODEL_NAME),
      /try again/,
      {
        prepare: falsify,
        repair: () => {
          hub.intercept = null;
        },
      },
    ),
  },
  OFFLINE: {
    api: file(
      () => vi.stubEnv('HF_HUB_OFFLINE', '1'),
      () => downloadModel(MODEL_NAME),
      () => vi.stubEnv('HF_HUB_OFFLINE', ''),
      /Run once without HF_HUB_OFFLINE/,
    ),
    cli: command(
      () => predict(MODEL_NAME),
      () => predict(MODEL_NAME),
      /Run once without HF_HUB_OFFLINE/,
      {
        prepare: () => vi.stubEnv('HF_HUB_OFFLINE', '1'),
        repair: () => vi.stubEnv('HF_HUB_OFFLINE', ''),
      },
    ),
  },
  DEVICE_UNAVAILABLE: {
    api: call(
      () => load({ device: 'cuda:999' }),
      () => load({ device: 'cpu' }),
      /device: 'cuda:999' was asked for/,
    ),
    cli: command(
      () => score('--device', 'cuda:999'),
      () => score('--device', 'cpu'),
      /--device: 'cuda:999' was asked for/,
    ),
  },
  OUT_OF_MEMORY: {
    api: call(
      async () => {
        await using _ = await TokenClassifier.create({ ...TINY, vocabSize: 2e9, hiddenSize: 2 ** 10 });
      },
      async () => {
        await using _ = await TokenClassifier.create(TINY);
      },
      /smaller/,
    ),
    cli: command(
      () => bench('layers=1,hidden=1048576,heads=1,intermediate=16,positions=8'),
      () => bench('layers=1,hidden=16,heads=1'),
      /smaller/,
      { prepare: () => writeFileSync(at('lengths.json'), '[5, 6, 7, 8]') },
    ),
  },
  NON_FINITE: {
    api: call(
      () => tune({ optimizer: { learningRate: 1e30 }, epochs: 3 }),
      () => tune({ optimizer: { learningRate: 1e-3 } }),
      /Lower the learning rate/,
    ),
    cli: command(
      () => train('--learning-rate', '1e30', '--epochs', '3'),
      () => train('--learning-rate', '1e-3', '--restart'),
      /Lower the learning rate/,
    ),
  },
  QUEUE_FULL: {
    api: {
      says: /`maxQueue`/,
      async provoke() {
        tagger = await Tagger.load(at('model'), { maxQueue: 1, threads: 1 });
        first = tagger.tag('Anna lives in Almaty.');
        const { code, message } = await thrownBy(() => tagger.tag('Marat lives in Astana.'));
        return { code, message, exit: null };
      },
      async mend() {
        await first;
        await tagger.tag('Marat lives in Astana.');
        await tagger.dispose();
      },
    },
    cli: 'a command hands over its next text when there is room for it',
  },
  DISPOSED: {
    api: call(
      async () => {
        const model = await TokenClassifier.create(TINY, { threads: 1 });
        await model.dispose();
        await model.logits({ inputIds: [[1]] });
      },
      load,
      /load it again/,
    ),
    cli: 'a command disposes of its model at its end',
  },
  RANK_FAILED: {
    api: call(
      async () => void (await Group.join(await placeOf(0), { firstTimeoutSeconds: 0.3 })),
      async () => void (await together(async () => {})),
      /^Of 2 ranks these did not come within 0\.3 s: 1\. Start all of them/,
    ),
    cli: 'takes several processes, as in test/distributed/group.test.ts',
  },
  RANKS_DIVERGED: {
    api: call(
      async () => together((group) => group.agree({ plan: group.rank })),
      async () => together((group) => group.agree({ plan: 1 })),
      /^plan differs: 0 on rank 0 .*, 1 on rank 1 .*Start all ranks with the same command, data and version/,
    ),
    cli: 'takes several processes, as in test/distributed/group.test.ts',
  },
  ADDON_MISSING: child(
    () => ({ PERMAFROST_ADDON: at('none.node') }),
    /none\.node: no such file.*Install libtorch/s,
  ),
  ADDON_MISMATCH: child(wrongAddon, /built against libtorch 1\.13\.0.*Build the addon again/s),
  INTERNAL: {
    api: 'whoever could cause it would have found a fault to mend',
    cli: 'whoever could cause it would have found a fault to mend',
  },
};

/** Place of one of two ranks that meet at a port of their own. */
async function placeOf(rank: number, port?: number): Promise<Place> {
  const local = { localRank: rank, localSize: 2, host: '127.0.0.1', port: port ?? (await freePort()) };
  return { rank, size: 2, ...local, serves: rank === 0, prefix: 'codes', launcher: 'permafrost' };
}

/** Two ranks of this process, each doing `work`. */
async function together(work: (group: Group) => Promise<void>): Promise<void> {
  const port = await freePort();
  await Promise.all(
    [0, 1].map(async (rank) => {
      const group = await Group.join(await placeOf(rank, port));
      try {
        await work(group);
      } finally {
        await group.close();
      }
    }),
  );
}

let wrongId = 999;
let labels: string[];
let tagger: Tagger;
let first: Promise<unknown>;

function bench(shape: string): string[] {
  const size = ['--batch-size', '2', '--steps', '1', '--warmup', '0', '--vocab-size', '50', '--no-floor'];
  return ['bench', '--lengths', at('lengths.json'), '--shape', shape, ...size, '--threads', '1'];
}

describe.each(['api', 'cli'] as const)('through the %s', (face) => {
  const cases = ERROR_CODES.flatMap((code) => {
    const provocation = CASES[code][face];
    return typeof provocation === 'string' ? [] : [[code, provocation] as const];
  });

  it.each(cases)('%s comes with its remedy, which works', async (code, { provoke, mend, says }) => {
    const told = await provoke();
    expect(told.message).toMatch(says);
    expect(told.code).toBe(code);
    const isWrongUse = code === 'INVALID_OPTION' || code === 'INVALID_PLAN';
    expect(told.message.replaceAll(folder, '')).not.toMatch(namesOfOther(face));
    expect(told.exit).toBe(face === 'api' ? null : isWrongUse ? 2 : 1);
    await mend();
  });
});

it('every code has its cases, or the reason why it has none', () => {
  expect(Object.keys(CASES)).toEqual([...ERROR_CODES]);
  const reasons = Object.values(CASES).flatMap(({ api, cli }) =>
    [api, cli].filter((face) => typeof face === 'string'),
  );
  expect(reasons.length).toBeLessThanOrEqual(7);
});
