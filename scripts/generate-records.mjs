// Writes docs/records.md: the fields of record.json, of metrics.jsonl and of the events, from the schemas and comments
// of the sources. A test proves that it is current.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fieldsOf } from './source-comments.mjs';
import { PROJECT_ROOT } from './toolchain.mjs';

const source = (path) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));
const RECORD = source('experiment/run-record.ts');
const LINES = source('training/log/metrics-line.ts');
const EVENTS = source('training/events.ts');

/** What has a table of its own, or one elsewhere. */
const ELSEWHERE = {
  'epochs.validation': '[metrics](#metrics)',
  test: '[metrics](#metrics) or null',
  tests: '[metrics](#metrics) by name',
  metrics: '[metrics](#metrics)',
  'scenario.training': 'settings of `finetune`',
  'scenario.dataset': 'object by its `source`: `generated`, `files`, `hub`, `split`',
  'scenario.model': 'object by its `kind`: `checkpoint`, `fresh`',
};

const SECTIONS = [
  ['environmentSchema', 'Where it ran'],
  ['inputSchema', 'What it was given'],
  ['freezingSchema', 'What was frozen'],
  ['outcomeSchema', 'What came of it'],
  ['costSchema', 'What it cost'],
];

const EVENT_TYPES = ['Freeze', 'Resume', 'Step', 'Epoch', 'Evaluation', 'Checkpoint', 'Done'];

/** A schema without what only says that it may be absent or null. */
function unwrap(schema) {
  const wrappers = { optional: '?', default: '?', prefault: '?', nullable: '|null' };
  let [inner, marks] = [schema, ''];
  while (inner.def.type in wrappers) {
    marks += wrappers[inner.def.type];
    inner = inner.def.innerType;
  }
  return { inner, isOptional: marks.includes('?'), isNullable: marks.includes('null') };
}

function typeOf(schema) {
  const { inner, isNullable } = unwrap(schema);
  const { def } = inner;
  const names = {
    number: inner.format?.includes('int') ? 'whole number' : 'number',
    string: def.format === 'datetime' ? 'date and time' : 'text',
    boolean: 'true or false',
    object: 'object',
    custom: 'object',
  };
  const list = (values) => values.map((value) => `\`${value}\``).join(', ');
  const type =
    def.type === 'array'
      ? `list of ${typeOf(def.element)}`
      : def.type === 'record'
        ? `${typeOf(def.valueType)} by name`
        : def.type === 'enum'
          ? list(Object.values(def.entries))
          : def.type === 'literal'
            ? list(def.values)
            : def.type === 'union'
              ? def.options.map(typeOf).join(' or ')
              : (names[def.type] ?? def.type);
  return isNullable ? `${type} or null` : type;
}

/** Whether it holds the four numbers of a label, a type or a mean over them. */
const isScores = ({ def, shape }) =>
  def.type === 'object' && Object.keys(shape).join() === 'precision,recall,f1,support';

/** Rows of a schema's fields: path, type, comment. */
function rowsOf(shape, comments, prefix = '', plain = '') {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const { inner, isOptional } = unwrap(schema);
    const path = `${prefix}${key}`;
    const name = `${plain}${key}`;
    const other = ELSEWHERE[name];
    const text = comments.get(name)?.comment ?? '';
    const rowOf = (type) =>
      `| \`${path}${isOptional ? '?' : ''}\` | ${type} | ${text.replaceAll('|', '\\|')} |`;
    if (other !== undefined) return [rowOf(other)];
    const [item, byName] = { array: ['[]', ''], record: ['.*', ' by name'] }[inner.def.type] ?? ['', ''];
    const held = unwrap(inner.def.element ?? inner.def.valueType ?? inner).inner;
    if (isScores(held)) return [rowOf(`scores${byName}`)];
    const row = rowOf(typeOf(schema));
    if (held.def.type !== 'object') return [row];
    return [row, ...rowsOf(held.shape, comments, `${path}${item}.`, `${name}.`)];
  });
}

const tableOf = (rows) => ['| field | type | |', '| --- | --- | --- |', ...rows, ''];

export async function renderRecords() {
  const { runRecordSchema } = await import('../dist/experiment/run-record.js');
  const { metricsSchema } = await import('../dist/evaluation/metrics.js');
  const { metricsLineSchema } = await import('../dist/training/log/metrics-line.js');
  const comments = fieldsOf(RECORD, 'runRecordSchema');
  const shape = runRecordSchema.shape;
  const grouped = new Map(
    SECTIONS.map(([name, title]) => {
      const keys = new Set([...fieldsOf(RECORD, name).keys()].map((path) => path.split('.')[0]));
      return [title, Object.fromEntries(Object.entries(shape).filter(([key]) => keys.has(key)))];
    }),
  );
  const inSections = new Set([...grouped.values()].flatMap((part) => Object.keys(part)));
  const general = Object.fromEntries(Object.entries(shape).filter(([key]) => !inSections.has(key)));
  const lines = metricsLineSchema.options.flatMap((option) => {
    const [type] = option.shape.type.def.values;
    const { type: _, time, epoch, step, ...own } = option.shape;
    const told = fieldsOf(LINES, `${type}Schema`);
    return [`### ${type}`, '', `${told.get('type').comment}`, '', ...tableOf(rowsOf(own, told))];
  });
  const events = EVENT_TYPES.flatMap((name) => {
    const fields = [...fieldsOf(EVENTS, `${name}Event`)].filter(([key]) => key !== 'type');
    const rows = fields.map(
      ([key, { type, comment }]) =>
        `| \`${key}\` | \`${type.replaceAll('|', '\\|')}\` | ${comment.replaceAll('|', '\\|')} |`,
    );
    return [`### The event ${name.toLowerCase()}`, '', ...tableOf(rows)];
  });
  return [
    readFileSync(new URL('./records-head.md', import.meta.url), 'utf8').trimEnd(),
    '',
    '## record.json',
    '',
    ...tableOf(rowsOf(general, comments)),
    ...[...grouped].flatMap(([title, part]) => [`### ${title}`, '', ...tableOf(rowsOf(part, comments))]),
    '## Metrics',
    '',
    'Scores are `precision`, `recall`, `f1` and `support`, the number of words or entities that they rest on. Those of words have ' +
      'scikit-learn’s meaning, those of entities seqeval’s.',
    '',
    ...tableOf(rowsOf(metricsSchema.shape, fieldsOf(source('evaluation/metrics.ts'), 'metricsSchema'))),
    '## metrics.jsonl',
    '',
    'Every line has `type`, `time` (seconds since 1970), `epoch` and `step` besides. [watching.md](watching.md) says when they come.',
    '',
    ...lines,
    '## Events',
    '',
    'What `for await (const event of run)` gives, told apart by `type`; `--json` prints the same, an object a line.',
    '',
    ...events,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(`${PROJECT_ROOT}/docs/records.md`, await renderRecords());
}
