import { describe, expect, it } from 'vitest';
import { commandText } from '../../src/cli/command-text.js';
import { modelCard, recordCardFacts } from '../../src/report/model-card.js';
import { toYaml } from '../../src/report/yaml.js';
import { makeRecord } from './records.js';

const record = makeRecord({ strategy: 'bottom-up:6', found: 40 });
const card = (options = {}) => modelCard(recordCardFacts(record, options));

describe('a model card', () => {
  it('begins with what the Hub reads: task, metrics, scores', () => {
    const text = card({ language: 'kk', license: 'apache-2.0' });
    const [, front] = /^---\n([\s\S]*?)\n---\n/.exec(text)!;
    const { micro } = record.test!.entities;
    expect(front!.split('\n').slice(0, 4)).toEqual([
      'language: "kk"',
      'license: "apache-2.0"',
      'library_name: "transformers"',
      'pipeline_tag: "token-classification"',
    ]);
    expect(front).toContain(
      `          - type: "f1"\n            value: ${micro.f1}\n            name: "Entity F1 (micro)"`,
    );
    expect(front).toContain('split: "test"');
    expect(front).not.toContain('base_model');
  });

  it('states data, scenario, seed, scores, versions and command', () => {
    const text = card({ command: 'permafrost train --data tiny.conll' });
    for (const part of [
      '`bottom-up:6`',
      'demo, generated with seed 1: 10 sentences to train',
      '| seed | 1 |',
      'permafrost ',
      '```sh\npermafrost train --data tiny.conll\n```',
      `| all (micro) | ${record.test!.entities.micro.precision.toFixed(4)} |`,
      '| PER |',
      '`B-PER`',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toMatch(/undefined|NaN|\[object/);
  });

  it('names the model that training started from, and the validation split where there is no test', () => {
    const own = makeRecord({ strategy: 'full', test: false });
    own.scenario.model = { kind: 'checkpoint', name: 'bert-base-cased', digest: 'd', numLayers: 12 };
    const text = modelCard(recordCardFacts(own));
    expect(text).toContain('base_model: "bert-base-cased"');
    expect(text).toContain('## Scores on the validation split');
    expect(text).not.toContain('```sh');
  });
});

describe('toYaml', () => {
  it('writes nested lists and objects, and quotes what YAML would take for something else', () => {
    expect(
      toYaml({ language: 'no', list: ['a: b', 1.5], deep: [{ x: 'it\'s "1"', y: [{ z: -1e-7 }] }] }),
    ).toBe(
      [
        'language: "no"',
        'list:',
        '  - "a: b"',
        '  - 1.5',
        'deep:',
        '  - x: "it\'s \\"1\\""',
        '    y:',
        '      - z: -1.0e-7',
        '',
      ].join('\n'),
    );
  });
});

describe('commandText', () => {
  it('quotes for a shell and names files without their folders', () => {
    expect(commandText(['train', '--data', '/home/someone/my data.conll', '--out=/x/y', "it's"])).toBe(
      "permafrost train --data 'my data.conll' --out=y 'it'\\''s'",
    );
  });
});
