import { describe, expect, it } from 'vitest';
import { PAPER, paperRow, paperSpeedup } from '../../src/report/paper-tables.js';
import { type GridSummary, type StrategyRow, summarise } from '../../src/report/summary.js';
import { describeShared, sharedPath } from '../helpers/shared.js';
import { makeRecord, type RecordFacts } from './records.js';

function summaryOf(facts: RecordFacts[], planned?: { strategies: string[]; seeds: number[] }): GridSummary {
  const summary = summarise(facts.map(makeRecord), planned === undefined ? {} : { planned });
  if (summary === null) throw new Error('nothing was summed up');
  return summary;
}

function rowOf(summary: GridSummary, table: string, strategy: string): StrategyRow {
  const row = summary.tables
    .find((candidate) => candidate.strategy === table)
    ?.rows.find(({ scenario }) => scenario.strategy === strategy);
  if (row === undefined) throw new Error(`no row ${strategy} in ${table}`);
  return row;
}

describe('summary of a grid', () => {
  it('is null without any run', () => {
    expect(summarise([])).toBeNull();
  });

  it('gives mean, sample deviation and every value over seeds, in the order of the seeds', () => {
    const summary = summaryOf([
      { strategy: 'bottom-up:3', seed: 3, secondsPerEpoch: 9 },
      { strategy: 'bottom-up:3', seed: 1, secondsPerEpoch: 5 },
      { strategy: 'bottom-up:3', seed: 2, secondsPerEpoch: 4 },
    ]);
    const [scenario] = summary.scenarios;
    expect(scenario?.seeds).toEqual([1, 2, 3]);
    expect(scenario?.secondsPerEpoch.values).toEqual([5, 4, 9]);
    expect(scenario?.secondsPerEpoch.mean).toBeCloseTo(6, 12);
    expect(scenario?.secondsPerEpoch.sd).toBeCloseTo(Math.sqrt(7), 12);
  });

  it('has no deviation for one seed', () => {
    expect(summaryOf([{ strategy: 'full' }]).scenarios[0]?.scores.accuracy.sd).toBeNull();
  });

  it('compares times with k = 0 of the same direction, by epoch and to the stop', () => {
    const summary = summaryOf([
      { strategy: 'bottom-up:0', secondsPerEpoch: 12, secondsToStop: 60, trainable: 800 },
      { strategy: 'bottom-up:6', secondsPerEpoch: 8, secondsToStop: 20, trainable: 400 },
      { strategy: 'top-down:0', secondsPerEpoch: 10, secondsToStop: 50 },
      { strategy: 'top-down:6', secondsPerEpoch: 8, secondsToStop: 40 },
      { strategy: 'full', secondsPerEpoch: 15, secondsToStop: 60 },
    ]);
    const bottomUp = rowOf(summary, 'bottom-up', 'bottom-up:6');
    expect(bottomUp).toMatchObject({ fasterPerEpoch: 1.5, fasterToStop: 3, fasterByEquation5: 2 });
    expect(bottomUp.scenario.bound?.speedup).toBe(1.5);
    expect(rowOf(summary, 'top-down', 'top-down:6').fasterPerEpoch).toBe(1.25);
    expect(rowOf(summary, 'bottom-up', 'full').fasterPerEpoch).toBe(0.8);
    expect(rowOf(summary, 'top-down', 'full').fasterPerEpoch).toBeCloseTo(2 / 3, 12);
  });

  it('compares over the seeds that both have', () => {
    const summary = summaryOf([
      { strategy: 'bottom-up:0', seed: 1, secondsPerEpoch: 12 },
      { strategy: 'bottom-up:0', seed: 2, secondsPerEpoch: 100 },
      { strategy: 'bottom-up:3', seed: 1, secondsPerEpoch: 6 },
      { strategy: 'bottom-up:6', seed: 7, secondsPerEpoch: 6 },
    ]);
    expect(rowOf(summary, 'bottom-up', 'bottom-up:3').fasterPerEpoch).toBe(2);
    expect(rowOf(summary, 'bottom-up', 'bottom-up:6').fasterPerEpoch).toBeNull();
  });

  it("takes the other direction's k = 0 where the own one was not run, and says so", () => {
    const summary = summaryOf([
      { strategy: 'bottom-up:0', secondsPerEpoch: 12 },
      { strategy: 'top-down:3', secondsPerEpoch: 6 },
    ]);
    const table = summary.tables.find(({ strategy }) => strategy === 'top-down');
    expect(table?.baseline).toBe('bottom-up:0');
    expect(table?.rows[0]?.fasterPerEpoch).toBe(2);
  });

  it('has no factors without k = 0', () => {
    const row = rowOf(summaryOf([{ strategy: 'bottom-up:3' }]), 'bottom-up', 'bottom-up:3');
    expect(row).toMatchObject({ fasterPerEpoch: null, fasterToStop: null, fasterByEquation5: null });
  });

  it('orders the rows of a table by k and puts what has no k behind', () => {
    const strategies = ['interleaved', 'bottom-up:12', 'full', 'bottom-up:0', 'bottom-up:9'];
    const summary = summaryOf(strategies.map((strategy) => ({ strategy })));
    expect(summary.tables[0]?.rows.map(({ scenario }) => scenario.strategy)).toEqual([
      'bottom-up:0',
      'bottom-up:9',
      'bottom-up:12',
      'interleaved',
      'full',
    ]);
  });

  it('tabulates a grid without any k by itself', () => {
    const summary = summaryOf([{ strategy: 'full' }, { strategy: 'only:embeddings' }]);
    expect(summary.tables).toHaveLength(1);
    expect(summary.tables[0]?.rows).toHaveLength(2);
  });

  it('lists what was planned and not run', () => {
    const summary = summaryOf([{ strategy: 'full', seed: 1 }], {
      strategies: ['full', 'bottom-up:3'],
      seeds: [1, 2],
    });
    expect(summary.notRun).toEqual([
      { strategy: 'full', seed: 2 },
      { strategy: 'bottom-up:3', seed: 1 },
      { strategy: 'bottom-up:3', seed: 2 },
    ]);
  });

  it('checks that scenarios that freeze the same come out the same', () => {
    const summary = summaryOf([
      { strategy: 'bottom-up:12', secondsPerEpoch: 10 },
      { strategy: 'top-down:12', secondsPerEpoch: 11 },
      { strategy: 'bottom-up:0', losses: 'a' },
      { strategy: 'top-down:0', losses: 'b' },
      { strategy: 'full' },
    ]);
    expect(summary.twins).toEqual([
      { strategies: ['bottom-up:12', 'top-down:12'], seed: 1, isEqual: true, timeRatio: 1.1 },
      { strategies: ['bottom-up:0', 'top-down:0'], seed: 1, isEqual: false, timeRatio: 1 },
    ]);
  });

  it('trusts no ratio of times where one run read what the other computed', () => {
    const { twins } = summaryOf([
      { strategy: 'bottom-up:12', keptPrefix: 12 },
      { strategy: 'top-down:12', keptPrefix: 12, borrowed: 30 },
    ]);
    expect(twins).toMatchObject([{ isEqual: true, timeRatio: null }]);
  });

  it('has no factors for a scenario whose outputs other runs computed', () => {
    const { tables, scenarios } = summaryOf([
      { strategy: 'bottom-up:0', secondsPerEpoch: 10 },
      { strategy: 'bottom-up:12', secondsPerEpoch: 0.1, keptPrefix: 12, borrowed: 1 },
    ]);
    expect(scenarios[1]).toMatchObject({ isBorrowed: true });
    const row = tables[0]!.rows.find(({ scenario }) => scenario.k === 12)!;
    expect(row).toMatchObject({ fasterPerEpoch: null, fasterToStop: null });
    // Later epochs read what is kept, whoever computed it.
    expect(row.fasterPerLaterEpoch).toBeCloseTo(10 / 0.01);
  });

  it('has no factor of later epochs for a scenario that has only the first', () => {
    const { tables } = summaryOf([
      { strategy: 'bottom-up:0', epochs: 1 },
      { strategy: 'bottom-up:12', keptPrefix: 12, borrowed: 1, epochs: 1 },
    ]);
    expect(tables[0]!.rows.at(-1)!.fasterPerLaterEpoch).toBeNull();
  });

  it('takes times from the runs that did all of their work, and scores from all', () => {
    const { scenarios, tables } = summaryOf([
      { strategy: 'bottom-up:0', seed: 1, secondsPerEpoch: 10 },
      { strategy: 'bottom-up:0', seed: 2, secondsPerEpoch: 50 },
      { strategy: 'bottom-up:12', seed: 1, secondsPerEpoch: 4, keptPrefix: 12 },
      { strategy: 'bottom-up:12', seed: 2, secondsPerEpoch: 0.1, keptPrefix: 12, borrowed: 30 },
    ]);
    const k12 = scenarios[1]!;
    expect(k12).toMatchObject({ isBorrowed: false, seeds: [1, 2] });
    expect(k12.secondsPerEpoch).toEqual({ mean: 4, sd: null, values: [4], seeds: [1] });
    expect(k12.secondsFirstEpoch).toMatchObject({ mean: 4, seeds: [1] });
    expect(k12.secondsPerLaterEpoch.values).toEqual([0.4, 0.01]);
    expect(k12.scores.accuracy.values).toHaveLength(2);
    expect(tables[0]!.rows.at(-1)!.fasterPerEpoch).toBe(10 / 4);
  });

  it('finds it in records from before borrowing was counted: fewer were computed than there are', () => {
    const isBorrowed = (misses: number) =>
      summaryOf([{ strategy: 'bottom-up:12', keptPrefix: 12, borrowed: null, misses }]).scenarios[0]!
        .isBorrowed;
    expect([29, 30, 31].map(isBorrowed)).toEqual([true, false, false]);
  });

  it('compares later epochs by themselves, when what is kept is there', () => {
    const { tables } = summaryOf([
      { strategy: 'bottom-up:0', secondsPerEpoch: 10 },
      { strategy: 'bottom-up:6', secondsPerEpoch: 8, keptPrefix: 6 },
    ]);
    const row = tables[0]!.rows.find(({ scenario }) => scenario.k === 6)!;
    expect(row.fasterFirstEpoch).toBeCloseTo(10 / 8);
    expect(row.fasterPerLaterEpoch).toBeCloseTo(10 / 0.8);
  });

  it('has no bound and no factor by equation 5 for a schedule, of which no one plan stays', () => {
    const { tables } = summaryOf([
      { strategy: 'bottom-up:0' },
      { strategy: 'bottom-up:9' },
      { strategy: 'plateau:9,6,0', plan: 'bottom-up:9' },
    ]);
    const rows = new Map(tables[0]!.rows.map((row) => [row.scenario.strategy, row]));
    expect(rows.get('bottom-up:9')).toMatchObject({
      scenario: { bound: { speedup: 2 } },
      fasterByEquation5: 1,
    });
    expect(rows.get('plateau:9,6,0')).toMatchObject({
      scenario: { isSchedule: true, bound: null },
      fasterByEquation5: null,
    });
  });

  it('scores on the validation split of the best epoch where there is no test split', () => {
    expect(summaryOf([{ strategy: 'full', test: false }]).evaluatedOn).toBe('validation');
    expect(summaryOf([{ strategy: 'full' }]).evaluatedOn).toBe('test');
  });

  it('leaves labels of tiny support out of one macro average only', () => {
    const { scores } = summaryOf([{ strategy: 'full', found: 0 }]).scenarios[0]!;
    // B-PER is never found (0), the rare B-LOC and I-LOC are perfect, O has precision 98 / 198.
    const outside = (2 * (98 / 198)) / (98 / 198 + 1);
    expect(scores.macroF1.mean).toBeCloseTo((0 + 1 + 1 + outside) / 4, 12);
    expect(scores.macroF1Supported.mean).toBeCloseTo((0 + outside) / 2, 12);
    expect(scores.macroF1WithoutO.mean).toBeCloseTo(2 / 3, 12);
  });
});

describe("the paper's figures", () => {
  it('compares each row with k = 0 of its own table', () => {
    expect(paperSpeedup('conll2003', 'bottom-up', 6, 12)).toBeCloseTo(1.592, 3);
    expect(paperSpeedup('kaznerd', 'bottom-up', 6, 12)).toBeCloseTo(1.679, 3);
    expect(paperSpeedup('conll2003', 'top-down', 0, 12)).toBe(1);
  });

  it('goes by the share of frozen layers in models of another depth', () => {
    expect(paperRow('kaznerd', 'top-down', 3, 4)?.frozen).toBe(9);
    expect(paperRow('kaznerd', 'top-down', 1, 12)).toBeNull();
    expect(paperRow('kaznerd', 'interleaved', null, 12)).toBeNull();
  });

  it('stand beside the dataset that is nearest', () => {
    expect(summaryOf([{ strategy: 'full', dataset: 'demo-kk' }]).paperDataset).toBe('kaznerd');
    expect(summaryOf([{ strategy: 'full', dataset: 'kaznerd' }]).paperDataset).toBe('kaznerd');
    expect(summaryOf([{ strategy: 'full', dataset: 'uner-ewt' }]).paperDataset).toBe('conll2003');
  });
});

describeShared("the paper's tables", () => {
  it('are copied without a slip', async () => {
    const { readFile } = await import('node:fs/promises');
    const { tables } = JSON.parse(await readFile(sharedPath('paper', 'tables.json'), 'utf8')) as {
      tables: { table: number; dataset: string; strategy: string; rows: Record<string, number>[] }[];
    };
    const withoutLoss = tables.map((table) => ({
      ...table,
      rows: table.rows.map(({ loss: _, ...row }) => row),
    }));
    expect(PAPER.tables).toEqual(withoutLoss);
  });
});
