export type Attributes = Readonly<Record<string, string | number | null | undefined>>;

/** An element of SVG with its attributes; those without a value are left out, numbers keep two places. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).flatMap(([key, value]) =>
    value === null || value === undefined
      ? []
      : [` ${key}="${typeof value === 'number' ? rounded(value) : escapeXml(value)}"`],
  );
  const content = children.join('');
  return content === ''
    ? `<${name}${written.join('')}/>`
    : `<${name}${written.join('')}>${content}</${name}>`;
}

/** A line of text with its anchor at (x, y). */
export function textAt(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeXml(content));
}

export function move(x: number, y: number): string {
  return `translate(${rounded(x)},${rounded(y)})`;
}

/** Names of scenarios, labels and data sets come from users and must not become markup. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // XML allows no control characters but tabs and line ends, which text has no use for either.
  return text.replace(/\p{Cc}/gu, ' ').replace(/[&<>"]/g, (found) => entities[found]!);
}

function rounded(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
