// Packed steps under each freezing scenario. Passes over all scenarios, so that a slow spell of the machine
// does not fall on one of them alone.
import { median } from '../../dist/bench/statistics.js';
import { parseStrategy } from '../../dist/freezing/notation.js';
import { benchSteps, lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const PASSES = 2;

const KEPT = ', prefix kept';

/** Scenarios by name: quarters of the layers frozen from below, the same with the prefix kept, and from above. */
function scenariosOf({ numLayers }) {
  const counts = [1, 2, 3, 4].map((quarter) => Math.round((quarter * numLayers) / 4));
  const bottomUp = counts.map((k) => `bottom-up:${k}`);
  const kept = bottomUp.map((notation) => notation + KEPT);
  return ['full', 'bottom-up:0', ...bottomUp, ...kept, ...counts.map((k) => `top-down:${k}`)];
}

function optionsOf(scenario) {
  const freeze = parseStrategy(scenario.replace(KEPT, ''));
  return {
    modes: ['packed'],
    freeze,
    ...(scenario.endsWith(KEPT) && { prefixStore: true, frozenDropout: 'off' }),
  };
}

async function measureAll(context, scenarios) {
  const lengths = await lengthsOf(context, 'conll2003-train.json');
  const results = new Map(scenarios.map((scenario) => [scenario, []]));
  for (let pass = 0; pass < PASSES; pass++) {
    for (const scenario of scenarios) {
      results.get(scenario).push(await benchSteps(context, { lengths, ...optionsOf(scenario) }));
    }
  }
  return results;
}

/** The store's steps have no floor: what they leave out is not among the products that the engine times. */
function floorText(passes) {
  const ratios = passes.flatMap(({ stepOverFloor }) => stepOverFloor ?? []);
  return figure(ratios.length > 0 ? median(ratios) : null);
}

export default {
  title: 'a packed training step under each freezing scenario, CoNLL-2003 lengths',
  async run(context) {
    const results = await measureAll(context, scenariosOf(context.shape));
    const secondsOf = (scenario) => median(results.get(scenario).flatMap(({ seconds }) => seconds));
    const [full] = results.get('full');
    const rows = [...results].map(([scenario, passes]) => [
      scenario,
      figure(secondsOf(scenario)),
      figure(secondsOf('full') / secondsOf(scenario)),
      figure(full.gflopPerStep / passes[0].gflopPerStep),
      floorText(passes),
      ((passes[0].memory.gradients + passes[0].memory.optimizer) / 1e6).toFixed(0),
    ]);
    const head = [
      'freezing',
      's/step',
      'full/this',
      'by arithmetic',
      'step/products',
      'gradients and optimizer, MB',
    ];
    return {
      head,
      rows,
      notes: [
        `${context.shapeName}, dropout in frozen layers on unless the prefix is kept; steps as from the second epoch on where it is.`,
      ],
    };
  },
};
