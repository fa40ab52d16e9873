const COLUMNS = ['name', 'a step', 'tokens/s', 'peak', 'graphs', 'launches', 'times ours'];

/** Prints rows by the columns that any of them has; `ours` are the seconds of a step that others are compared with. */
export function printTable(rows, ours) {
  const texts = rows.map((row) => ({
    ...row,
    'times ours': ours && row.secondsPerStep ? (row.secondsPerStep / ours).toFixed(2) : undefined,
  }));
  const columns = COLUMNS.filter((column) => texts.some((row) => row[column] !== undefined));
  const cells = [Object.fromEntries(columns.map((column) => [column, column])), ...texts].map((row) =>
    columns.map((column) => String(row[column] ?? '')),
  );
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  console.log();
  for (const row of cells)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
}
