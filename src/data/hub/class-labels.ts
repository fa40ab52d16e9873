import { parse } from 'yaml';

/** Names of the classes of a column, by their numbers; null where the description does not tell. */
type Describe = (column: string) => string[] | null;

/**
 * Reads the label names of a column from what a dataset says of itself: the description in the metadata of a parquet
 * file, `dataset_infos.json`, or the head of README.md, as the `datasets` library writes them.
 */
export function labelsOfInfo(text: string, config: string): Describe {
  const info = asObject(parseJson(text));
  const own = asObject(info[config]);
  const features = asObject(
    asObject(info.info).features ??
      own.features ??
      info.features ??
      asObject(Object.values(info)[0]).features,
  );
  return (column) => namesIn(features[column]);
}

/** The same from README.md. */
export function labelsOfCard(text: string, config: string): Describe {
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  const card = asObject(head === undefined ? null : parseYaml(head));
  const listed = asArray(card.dataset_info ?? []);
  const info = listed.find((item) => asObject(item).config_name === config) ?? listed[0];
  const features = asArray(asObject(info).features ?? []);
  return (column) => namesIn(features.find((feature) => asObject(feature).name === column));
}

/** Names below a feature: lists of classes are written in several ways, none of which is deep. */
function namesIn(feature: unknown, depth = 0): string[] | null {
  if (depth > 8) return null;
  const value = asObject(feature);
  if (value._type === 'ClassLabel' || 'class_label' in value) {
    const { names } = value._type === 'ClassLabel' ? value : asObject(value.class_label);
    const list = Array.isArray(names) ? names : Object.values(asObject(names));
    return list.length > 0 && list.every((name) => typeof name === 'string') ? list : null;
  }
  for (const key of ['feature', 'sequence', 'list', 'dtype']) {
    const found = typeof value[key] === 'object' ? namesIn(value[key], depth + 1) : null;
    if (found !== null) return found;
  }
  return null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parseYaml(text: string): unknown {
  try {
    // What it warns of concerns whoever wrote the card.
    return parse(text, { logLevel: 'error' });
  } catch {
    return null;
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}
