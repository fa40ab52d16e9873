/** A Markdown table. */
export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Three significant digits. */
export function figure(value) {
  return value === null ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
