import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunScenario } from '../../src/experiment/run.js';
import { runId } from '../../src/experiment/scenario.js';
import { parseSearchedPlans } from '../../src/experiment/search/depths.js';
import { countRuns, rungsOf, unitsOf } from '../../src/experiment/search/rungs.js';
import {
  type SearchEvent,
  type SearchOptions,
  type SearchResult,
  search,
} from '../../src/experiment/search/search.js';
import { drain, fakeRecord, fakeWorkspace, meeting } from './fakes.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-search-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const DEPTHS = Array.from({ length: 13 }, (_, k) => `bottom-up:${k}`);

/** Quality holds until k = 6 and falls then; seeds are better or worse for all plans alike, and by a little of their own. */
function quality(strategy: string, seed: number): number {
  const k = Number(strategy.split(':')[1]);
  const own = 0.0004 * Math.sin(7 * k + 13 * seed);
  return 0.9 + 0.01 * (seed % 3) - (k <= 6 ? 0.0002 * k : 0.02 * (k - 6)) + own;
}

interface Trained {
  calls: string[];
  tests: string[];
  runScenario: RunScenario;
}

/** A trainer that knows each score, keeps weights as a real one does, and is stopped before a training where asked. */
function trainer(stopBefore = Number.POSITIVE_INFINITY): Trained {
  const calls: string[] = [];
  const tests: string[] = [];
  const runScenario: RunScenario = async function* ({
    scenario,
    seed,
    directory: path,
    test = true,
    workspace,
  }) {
    if (calls.length >= stopBefore) throw new Error('power cut');
    const { strategy, fold, maxSteps } = scenario;
    const name = `${strategy}/${seed}${fold ? `/${fold.index}` : ''}${maxSteps ? `/${maxSteps}` : ''}`;
    const weights = join(path!, 'best', 'model.safetensors');
    if (test) tests.push(`${name}${existsSync(weights) ? '' : ' trained again'}`);
    else calls.push(name);
    await mkdir(join(path!, 'best'), { recursive: true });
    await writeFile(weights, '');
    yield { type: 'resume', path: path!, epoch: 1, step: 0, finished: false };
    const record = fakeRecord(scenario, seed, workspace);
    const stages = record.stages.map((stage) => ({ ...stage, plan: record.plan }));
    return { ...record, stages, bestScore: quality(strategy, seed), ...(!test && { test: null }) };
  };
  return { calls, tests, runScenario };
}

async function runAll(
  options: Partial<SearchOptions> & Pick<SearchOptions, 'runScenario'>,
): Promise<{ events: SearchEvent[]; result: SearchResult }> {
  const given = { workspace: fakeWorkspace(), strategies: DEPTHS, seeds: [1, 2, 3], directory };
  const events = await drain(search({ ...given, ...options }));
  const last = events.at(-1)!;
  if (last.type !== 'search-done') throw new Error('no answer');
  return { events, result: last.result };
}

const run = runAll;

it('two workers of a search share its rounds, and come to the answer of one', async () => {
  const [one, other, alone] = [trainer(), trainer(), trainer()];
  const options = { strategies: DEPTHS.slice(0, 5), seeds: [1, 2], halving: 2 };
  const shared = await Promise.all(
    meeting([one.runScenario, other.runScenario]).map((runScenario) => runAll({ ...options, runScenario })),
  );
  const { result } = await runAll({ ...options, ...alone, directory: join(directory, 'alone') });
  for (const { result: answer } of shared) expect(answer).toEqual(result);
  expect([...one.calls, ...other.calls].sort()).toEqual([...alone.calls].sort());
  expect([...one.tests, ...other.tests].sort()).toEqual([...alone.tests].sort());
  for (const { calls } of [one, other]) expect(calls.length).toBeGreaterThan(0);
}, 60_000);

it('a search that was stopped in its last round keeps the weights of what that round has', async () => {
  const options = { strategies: DEPTHS.slice(0, 5), seeds: [1, 2], halving: 2 };
  const alone = trainer();
  await runAll({ ...options, ...alone, directory: join(directory, 'alone') });
  const stopped = trainer(alone.calls.length - 1);
  await expect(runAll({ ...options, ...stopped })).rejects.toThrow('power cut');
  const { calls, tests, runScenario } = trainer();
  await runAll({ ...options, runScenario });
  expect(calls).toHaveLength(1);
  expect(tests).toEqual(alone.tests);
});

describe('a search', () => {
  it('trains every plan with every seed, the longest prefix first, and names the best and the cheapest', async () => {
    const { calls, tests, runScenario } = trainer();
    const { result, events } = await run({ runScenario });
    expect(calls).toHaveLength(39);
    expect(calls.slice(0, 4)).toEqual([
      'bottom-up:12/1',
      'bottom-up:12/2',
      'bottom-up:12/3',
      'bottom-up:11/1',
    ]);
    const mean = (k: number) => [1, 2, 3].reduce((sum, seed) => sum + quality(DEPTHS[k]!, seed), 0) / 3;
    const best = DEPTHS.reduce((a, b) => (mean(DEPTHS.indexOf(b)) > mean(DEPTHS.indexOf(a)) ? b : a));
    expect(result).toMatchObject({ best, cheapest: 'bottom-up:6', metric: 'macroF1' });
    expect(result.plans.map(({ notation }) => notation)).toEqual(DEPTHS);
    const six = result.plans[6]!;
    expect(six.mean).toBeCloseTo(mean(6), 12);
    expect(six).toMatchObject({ seeds: [1, 2, 3], epochs: 2, isWithin: true, rung: 1 });
    expect(result.plans[7]!.isWithin).toBe(false);
    // Only the two see the test split, with the weights that they left.
    const named = [...new Set([best, 'bottom-up:6'])];
    expect(Object.keys(result.test!)).toEqual(named);
    expect([...tests].sort()).toEqual(
      named.flatMap((notation) => [1, 2, 3].map((seed) => `${notation}/${seed}`)).sort(),
    );
    expect(events[0]).toMatchObject({ type: 'grid-start', total: 39, todo: 39, finished: 0 });
    expect(result.records.filter(({ test }) => test !== null)).toHaveLength(3 * named.length);
  });

  it('keeps no more weights than those that may be named, and none in the end', async () => {
    const { runScenario } = trainer();
    let most = 0;
    const watching: RunScenario = async function* (options) {
      const runs = (await readdir(directory)).filter((name) => existsSync(join(directory, name, 'best')));
      most = Math.max(most, runs.length);
      return yield* runScenario(options);
    };
    await run({ runScenario: watching });
    expect(most).toBeGreaterThan(3);
    expect(most).toBeLessThanOrEqual(9);
    for (const name of await readdir(directory))
      expect(existsSync(join(directory, name, 'best'))).toBe(false);
  });

  it('answers the same where it was stopped anywhere and started again', async () => {
    const few = DEPTHS.filter((_, k) => k % 4 === 2);
    const run = (options: Parameters<typeof runAll>[0]) =>
      runAll({ strategies: few, seeds: [1, 2], ...options });
    const whole = await run({ runScenario: trainer().runScenario, directory: join(directory, 'whole') });
    for (const [index, stop] of [1, 5].entries()) {
      const other = join(directory, `${index}`);
      await expect(run({ runScenario: trainer(stop).runScenario, directory: other })).rejects.toThrow(
        'power cut',
      );
      const again = trainer();
      const { result } = await run({ runScenario: again.runScenario, directory: other });
      expect(again.calls).toHaveLength(6 - stop);
      expect(result).toEqual(whole.result);
    }
    const nothing = trainer();
    const { result } = await run({ runScenario: nothing.runScenario, directory: join(directory, 'whole') });
    expect([nothing.calls, nothing.tests]).toEqual([[], []]);
    expect(result).toEqual(whole.result);
  });

  it('trains a named plan again where its weights are gone', async () => {
    const first = trainer();
    const stopped: RunScenario = async function* (options) {
      if (options.test !== false) throw new Error('power cut');
      return yield* first.runScenario(options);
    };
    const few = { strategies: DEPTHS.slice(4, 8), seeds: [1, 2] };
    await expect(run({ runScenario: stopped, ...few })).rejects.toThrow('power cut');
    for (const name of await readdir(directory)) {
      if (existsSync(join(directory, name, 'best')))
        await rm(join(directory, name, 'best'), { recursive: true });
    }
    const again = trainer();
    const { result } = await run({ runScenario: again.runScenario, ...few });
    expect(again.calls).toEqual([]);
    expect(again.tests).toContain(`${result.best}/1 trained again`);
  });

  it('asks for no test scores where there is no test split', async () => {
    const workspace = fakeWorkspace();
    const { tests, runScenario } = trainer();
    const { result } = await run({
      runScenario,
      strategies: DEPTHS.slice(0, 2),
      workspace: { ...workspace, splits: { ...workspace.splits, test: null } },
    });
    expect(tests).toEqual([]);
    expect(result.test).toBeNull();
  });

  it('gives the cheaper of two plans of the same score', async () => {
    const same: RunScenario = async function* (options) {
      return { ...(yield* trainer().runScenario(options)), bestScore: 0.5 };
    };
    const { result } = await run({ runScenario: same, strategies: DEPTHS.slice(0, 3), seeds: [1] });
    expect(result).toMatchObject({ best: 'bottom-up:2', cheapest: 'bottom-up:2' });
    expect(result.plans[0]).toMatchObject({ standardError: null, behind: { mean: 0, interval: null } });
  });

  it('refuses folds and factors below two, and a search of nothing', async () => {
    for (const wrong of [{ folds: 1 }, { halving: 1 }, { strategies: [] }, { seeds: [] }]) {
      await expect(run({ runScenario: trainer().runScenario, ...wrong })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      });
    }
  });

  it('stands in one directory with runs of one grid alone', async () => {
    await run({ runScenario: trainer().runScenario, strategies: DEPTHS.slice(0, 2), seeds: [1] });
    const workspace = fakeWorkspace();
    const other = { ...workspace, data: { ...workspace.data, digest: 'e'.repeat(64) } };
    await expect(run({ runScenario: trainer().runScenario, workspace: other })).rejects.toMatchObject({
      code: 'RUN_MISMATCH',
    });
  });
});

describe('successive halving', () => {
  it('comes to the answer of all trainings with half of them', async () => {
    const all = await run({ runScenario: trainer().runScenario, directory: join(directory, 'all') });
    const { calls, runScenario } = trainer();
    const { result, events } = await run({ runScenario, halving: 3, directory: join(directory, 'halving') });
    const tolerated = all.result.plans.filter(({ isWithin }) => isWithin).map(({ notation }) => notation);
    expect(tolerated).toContain(result.best);
    expect(result.cheapest).toBe('bottom-up:6');
    // One sentence makes a step: 10 epochs in full, a third of them on the first rung; survivors go on with two seeds.
    expect(calls.filter((call) => call === 'bottom-up:12/1/4')).toHaveLength(1);
    expect(calls).toHaveLength(13 + 4 + 2 * 2);
    expect(new Set(calls).size).toBe(calls.length);
    expect(events[0]).toMatchObject({ total: 21 });
    expect(result.plans.filter(({ rung }) => rung === 3)).toHaveLength(2);
    expect(result.rungs.map(({ plans }) => plans)).toEqual([13, 4, 2]);
  });

  it('goes on after a stop with the decisions that it had made', async () => {
    const whole = await run({
      runScenario: trainer().runScenario,
      halving: 3,
      directory: join(directory, 'a'),
    });
    const other = join(directory, 'b');
    const stopped = trainer(18);
    await expect(run({ runScenario: stopped.runScenario, halving: 3, directory: other })).rejects.toThrow();
    const again = trainer();
    const { result, events } = await run({ runScenario: again.runScenario, halving: 3, directory: other });
    expect(again.calls).toHaveLength(3);
    expect(events[0]).toMatchObject({ total: 21, finished: 18, todo: 3 });
    expect(result).toEqual(whole.result);
  });

  it.each([
    [13, 3, 3, [13, 4, 2], [1, 1, 3], [1 / 3, 1, 1], 21],
    [13, 1, 3, [13, 4, 2], [1, 1, 1], [1 / 9, 1 / 3, 1], 19],
    [13, 9, 3, [13, 4, 2], [1, 3, 9], [1, 1, 1], 13 + 4 * 2 + 2 * 6],
    [2, 3, 3, [2], [3], [1], 6],
    [1, 1, 2, [1], [1], [1], 1],
  ])(
    'has for %i plans and %i trainings each, by %i, the rungs %j',
    (plans, units, factor, counts, sizes, shares, runs) => {
      const rungs = rungsOf(
        plans,
        unitsOf(
          Array.from({ length: units }, (_, i) => i),
          null,
        ),
        factor,
      );
      expect(rungs.map((rung) => rung.plans)).toEqual(counts);
      expect(rungs.map((rung) => rung.units.length)).toEqual(sizes);
      for (const [index, { share }] of rungs.entries()) expect(share).toBeCloseTo(shares[index]!, 12);
      expect(countRuns(rungs)).toBe(runs);
    },
  );

  it('costs less than half of all trainings even where the dearest plans are left', () => {
    const costs = DEPTHS.map((_, k) => (12 - k) / 12);
    const dearest = (count: number) => costs.slice(0, count).reduce((sum, cost) => sum + cost, 0);
    let spent = 0;
    let before = 0;
    for (const { plans, units, share } of rungsOf(13, unitsOf([1, 2, 3], null), 3)) {
      spent += dearest(plans) * (units.length - before) * share;
      before = share === 1 ? units.length : 0;
    }
    expect(spent / (3 * dearest(13))).toBeLessThan(0.5);
  });
});

describe('folds', () => {
  it('are trained for each seed and plan, and pair the plans', async () => {
    const { calls, runScenario } = trainer();
    const { result } = await run({ runScenario, strategies: DEPTHS.slice(5, 7), seeds: [1, 2], folds: 2 });
    expect(calls).toEqual(
      [6, 5].flatMap((k) => [1, 2].flatMap((seed) => [1, 2].map((fold) => `bottom-up:${k}/${seed}/${fold}`))),
    );
    expect(result.plans[0]).toMatchObject({ folds: 2, seeds: [1, 2] });
    expect(result.plans.find(({ behind }) => behind !== null)!.behind!.pairs).toBe(4);
    const { scenario, seed, run: name } = result.records[0]!;
    expect(runId(scenario, seed)).toBe(name);
  });
});

describe('the plans of a search', () => {
  it('are those of a direction at every depth, or at those that are given', () => {
    expect(parseSearchedPlans('bottom-up', null, 12)).toEqual(DEPTHS);
    expect(parseSearchedPlans('top-down', '0,6-8', 12)).toEqual([0, 6, 7, 8].map((k) => `top-down:${k}`));
    expect(parseSearchedPlans('bottom-up,interleaved', '3', 12)).toEqual(['bottom-up:3', 'interleaved']);
    expect(parseSearchedPlans('bottom-up:0,full', null, 12)).toEqual(['bottom-up:0', 'full']);
  });

  it.each(['13', '6-3', 'a', '', '1-'])('refuse depths such as "%s"', (depths) => {
    expect(() => parseSearchedPlans('bottom-up', depths, 12)).toThrowError(/`depths`/);
  });

  it('refuse depths where no direction takes them', () => {
    expect(() => parseSearchedPlans('full', '0-3', 12)).toThrowError(/`depths`: goes with a direction alone/);
  });
});
