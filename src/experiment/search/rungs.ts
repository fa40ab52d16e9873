/** One training of each plan: its seed, and the part of the data that it is measured on. */
export interface Unit {
  seed: number;
  /** 1-based; absent where the data's own validation split is used. */
  fold?: { index: number; of: number };
}

/** A stage of a search: so many plans on the same seeds and folds. */
export interface Rung {
  plans: number;
  units: readonly Unit[];
  /** Share of the steps of a whole training, 0 to 1. */
  share: number;
}

/** Every seed with every fold, the folds of a seed together. */
export function unitsOf(seeds: readonly number[], folds: number | null): Unit[] {
  if (folds === null) return seeds.map((seed) => ({ seed }));
  const indices = Array.from({ length: folds }, (_, index) => index + 1);
  return seeds.flatMap((seed) => indices.map((index) => ({ seed, fold: { index, of: folds } })));
}

/**
 * The rungs of successive halving (Jamieson & Talwalkar 2016): from rung to rung a `factor`-th of the plans is left, down
 * to two, and each is given `factor` times as much, up to all seeds and folds in full.
 *
 * What a plan is given is spent on as few trainings as possible: whole ones of the first seeds and folds, which count on
 * the next rung as well, and only below one whole training on a share of its steps, with a schedule of the rate of its own.
 *
 * @param factor null gives every plan everything at once.
 */
export function rungsOf(plans: number, units: readonly Unit[], factor: number | null): Rung[] {
  if (factor === null) return [{ plans, units, share: 1 }];
  const counts = [plans];
  while (counts.at(-1)! > 2) counts.push(Math.max(2, Math.floor(plans / factor ** counts.length)));
  return counts.map((count, index) => {
    const budget = units.length / factor ** (counts.length - 1 - index);
    const whole = Math.max(1, Math.floor(budget + 1e-9));
    return { plans: count, units: units.slice(0, whole), share: Math.min(1, budget / whole) };
  });
}

/** Different trainings of all rungs. */
export function countRuns(rungs: readonly Rung[]): number {
  return rungs.reduce((sum, rung, index) => {
    const before = rungs[index - 1];
    const done = before && before.share === 1 && rung.share === 1 ? before.units.length : 0;
    return sum + rung.plans * (rung.units.length - done);
  }, 0);
}
