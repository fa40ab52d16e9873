import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { metricsLineSchema, parseMetricsLine } from '../../src/training/log/metrics-line.js';

it('every field of a line stands in its row of docs/watching.md', () => {
  const docs = readFileSync('docs/watching.md', 'utf8');
  const common = new Set(['type', 'time', 'epoch', 'step']);
  expect(metricsLineSchema.options).toHaveLength(5);
  for (const { shape } of metricsLineSchema.options) {
    const type = (shape.type as z.ZodLiteral).value;
    const row = docs.split('\n').find((line) => line.startsWith(`| \`${type}\``))!;
    const fields = Object.keys(shape).filter((name) => !common.has(name));
    for (const name of fields) expect(row, `${type}: ${name}`).toContain(`\`${name}\``);
  }
});

it.each(['', '{"type":"st', '[]', '{"type":"of a later version"}', '{"type":"step","loss":1}'])(
  'a line that is torn or of no known form is none: %j',
  (text) => {
    expect(parseMetricsLine(text)).toBeNull();
  },
);
