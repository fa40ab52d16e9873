export type YamlValue = string | number | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/** Block-style YAML of plain data; strings are quoted as JSON has them, which YAML reads alike. */
export function toYaml(value: { readonly [key: string]: YamlValue }): string {
  return lines(value).join('\n').concat('\n');
}

function lines(value: YamlValue): string[] {
  // YAML 1.1 takes 1e-7, without a point, for text.
  if (typeof value === 'number') return [String(value).replace(/^(-?\d+)e/, '$1.0e')];
  if (typeof value === 'string') return [JSON.stringify(value)];
  if (Array.isArray(value)) {
    return (value as readonly YamlValue[]).flatMap((item) => hang('- ', lines(item)));
  }
  return Object.entries(value).flatMap(([key, item]) => {
    const below = lines(item);
    return typeof item === 'object'
      ? [`${key}:`, ...below.map((line) => `  ${line}`)]
      : [`${key}: ${below[0]}`];
  });
}

/** The first line behind a mark, the others under it. */
function hang(mark: string, below: readonly string[]): string[] {
  return below.map((line, i) => (i === 0 ? mark : ' '.repeat(mark.length)) + line);
}
