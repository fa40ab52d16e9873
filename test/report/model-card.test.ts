import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { commandText } from '../../src/cli/command-text.js';
import { modelCard, recordCardFacts } from '../../src/report/model-card.js';
import { makeRecord } from './records.js';

const record = makeRecord({ strategy: 'bottom-up:6', found: 40 });
const card = (options = {}) => modelCard(recordCardFacts(record, options));

/** What the Hub reads of a card's front matter, and how strictly: other values make it refuse the file. */
const hubSchema = z.strictObject({
  language: z
    .string()
    .regex(/^[a-z]{2,3}$/)
    .optional(),
  license: z
    .string()
    .regex(/^[a-z0-9.-]+$/)
    .optional(),
  library_name: z.literal('transformers'),
  pipeline_tag: z.literal('token-classification'),
  base_model: z
    .string()
    .regex(/^([\w.-]+\/)?[\w.-]+$/)
    .optional(),
  datasets: z.array(z.string().regex(/^([\w.-]+\/)?[\w.-]+$/)).optional(),
  tags: z.array(z.string()),
  metrics: z.array(z.enum(['precision', 'recall', 'f1', 'accuracy'])),
  'model-index': z.tuple([
    z.strictObject({
      name: z.string().min(1),
      results: z.array(
        z.strictObject({
          task: z.strictObject({ type: z.literal('token-classification'), name: z.string() }),
          dataset: z.strictObject({
            type: z.string().min(1),
            name: z.string().min(1),
            config: z.string().min(1).optional(),
            split: z.enum(['validation', 'test']),
            revision: z
              .string()
              .regex(/^[0-9a-f]+$/)
              .optional(),
          }),
          metrics: z.array(
            z.strictObject({ type: z.string(), value: z.number().min(0).max(1), name: z.string() }),
          ),
        }),
      ),
    }),
  ]),
});

/** The front matter of a card, which the Hub must accept. */
function frontOf(text: string) {
  const [, front] = /^---\n([\s\S]*?)\n---\n/.exec(text)!;
  return hubSchema.parse(parse(front!, { version: '1.1' }));
}

describe('a model card', () => {
  it('begins with what the Hub reads: task, metrics, scores', () => {
    const text = card({ language: 'no', license: 'apache-2.0' });
    const { entities, accuracy } = record.test!;
    const data = frontOf(text);
    expect(data).toMatchObject({
      language: 'no',
      license: 'apache-2.0',
      library_name: 'transformers',
      pipeline_tag: 'token-classification',
    });
    expect(data.base_model).toBeUndefined();
    const result = data['model-index'][0].results[0]!;
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
    const data = frontOf(modelCard(recordCardFacts(own)));
    expect(data.datasets).toEqual(['owner/wnut']);
    expect(data['model-index'][0].results[0]!.dataset).toMatchObject({ type: 'owner/wnut', revision: 'abc' });
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
    expect(frontOf(text).base_model).toBe('bert-base-cased');
    expect(text).toContain('## Scores on the validation split');
    expect(text).not.toContain('```sh');
  });

  it.each([
    ['a model of the Hub', 'intfloat/e5-small-v2', {}, 'intfloat/e5-small-v2'],
    ['a directory, whose name is nobody else’s business', 'best', {}, undefined],
    [
      'a directory that is said to be a model of the Hub',
      'my model',
      { hubModel: 'owner/base' },
      'owner/base',
    ],
  ])('links to %s', (_, name, options, expected) => {
    const own = makeRecord({ strategy: 'full' });
    own.scenario.model = { kind: 'checkpoint', name, digest: 'd', numLayers: 12 };
    const text = modelCard(recordCardFacts(own, options));
    expect(frontOf(text).base_model).toBe(expected);
    expect(text).toContain(`from \`${name}\``);
  });
});

describe('commandText', () => {
  it('quotes for a shell and names files without their folders', () => {
    expect(commandText(['train', '--data', '/home/someone/my data.conll', '--out=/x/y', "it's"])).toBe(
      "permafrost train --data 'my data.conll' --out=y 'it'\\''s'",
    );
  });
});
