import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { commandText } from '../../src/cli/command-text.js';
import { modelCard, recordCardFacts } from '../../src/report/model-card.js';
import { makeRecord } from './records.js';

const record = makeRecord({ strategy: 'bottom-up:6', found: 40 });
const card = (options = {}) => modelCard(recordCardFacts(record, options));

describe('a model card', () => {
  it('begins with what the Hub reads: task, metrics, scores', () => {
    const text = card({ language: 'no', license: 'apache-2.0' });
    const [, front] = /^---\n([\s\S]*?)\n---\n/.exec(text)!;
    const { entities, accuracy } = record.test!;
    const data = parse(front!, { version: '1.1' });
    expect(data).toMatchObject({
      language: 'no',
      license: 'apache-2.0',
      library_name: 'transformers',
      pipeline_tag: 'token-classification',
    });
    expect(data.base_model).toBeUndefined();
    const [result] = data['model-index'][0].results;
    expect(result.task.type).toBe('token-classification');
    expect(result.dataset).toEqual({ type: 'other', name: 'demo, generated with seed 1', split: 'test' });
    expect(result.metrics).toContainEqual({
      type: 'f1',
      value: entities.micro.f1,
      name: 'Entity F1 (micro)',
    });
    expect(result.metrics).toContainEqual({ type: 'accuracy', value: accuracy, name: 'Word accuracy' });
  });

  it('names the dataset as the Hub does', () => {
    const own = makeRecord({ strategy: 'full' });
    own.scenario.dataset = { source: 'hub', name: 'wnut', repo: 'owner/wnut', config: '', commit: 'abc' };
    const [, front] = /^---\n([\s\S]*?)\n---\n/.exec(modelCard(recordCardFacts(own)))!;
    const data = parse(front!);
    expect(data.datasets).toEqual(['owner/wnut']);
    expect(data['model-index'][0].results[0].dataset.type).toBe('owner/wnut');
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
    expect(text).toContain('base_model: bert-base-cased');
    expect(text).toContain('## Scores on the validation split');
    expect(text).not.toContain('```sh');
  });
});

describe('commandText', () => {
  it('quotes for a shell and names files without their folders', () => {
    expect(commandText(['train', '--data', '/home/someone/my data.conll', '--out=/x/y', "it's"])).toBe(
      "permafrost train --data 'my data.conll' --out=y 'it'\\''s'",
    );
  });
});
