import { describe, expect, it } from 'vitest';
import {
  parseScenario,
  runId,
  type Scenario,
  scenarioDigest,
  scenarioId,
  scenarioOf,
  settingsDigest,
} from '../../src/experiment/scenario.js';
import { fakeWorkspace } from './fakes.js';

const scenario = scenarioOf(fakeWorkspace().settings, 'bottom-up:6');

describe('the id of a scenario', () => {
  it('is readable, ends in a digest and is safe as a file name', () => {
    expect(scenarioId(scenario)).toMatch(/^bottom-up-6-[0-9a-f]{8}$/);
    expect(scenarioId({ ...scenario, strategy: 'only:embeddings,layers=0-5,bias=all' })).toMatch(
      /^only-embeddings-layers-0-5-bias-all-[0-9a-f]{8}$/,
    );
    expect(runId(scenario, 42)).toBe(`${scenarioId(scenario)}-seed-42`);
  });

  it('does not depend on the order of the keys', () => {
    const { training, ...rest } = scenario;
    expect(scenarioId({ training, ...rest } as Scenario)).toBe(scenarioId(scenario));
  });

  it('changes with every setting', () => {
    const other: Scenario = { ...scenario, training: { ...scenario.training, epochs: 7 } };
    expect(scenarioId(other)).not.toBe(scenarioId(scenario));
    expect(settingsDigest(other)).not.toBe(settingsDigest(scenario));
  });

  it('tells strategies apart that share their settings', () => {
    const other = { ...scenario, strategy: 'top-down:6' };
    expect(scenarioDigest(other)).not.toBe(scenarioDigest(scenario));
    expect(settingsDigest(other)).toBe(settingsDigest(scenario));
  });
});

describe('a scenario from outside', () => {
  it('is taken as it is where it is right', () => {
    expect(parseScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
  });

  it('is refused with the path of the field that is wrong', () => {
    const wrong = { ...scenario, training: { ...scenario.training, epochs: 0 } };
    expect(() => parseScenario(wrong)).toThrowError(/training\.epochs/);
    expect(() => parseScenario({ ...scenario, epoch: 3 })).toThrowError(/epoch/);
  });
});
