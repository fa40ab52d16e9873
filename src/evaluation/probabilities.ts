/** Softmax of each row in place, in float32 as the reference computes it; shape [rows, columns]. */
export function softmaxRows(scores: Float32Array, columns: number): Float32Array {
  for (let row = 0; row < scores.length; row += columns) {
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = row; i < row + columns; i++) highest = Math.max(highest, scores[i]!);
    let sum = 0;
    for (let i = row; i < row + columns; i++) {
      scores[i] = Math.exp(scores[i]! - highest);
      sum += scores[i]!;
    }
    for (let i = row; i < row + columns; i++) scores[i] = scores[i]! / sum;
  }
  return scores;
}

/** The column of the highest score of a row, the first one on a tie. @param row shape [columns] */
export function best(row: Float32Array): { label: number; score: number } {
  let label = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[label]!) label = i;
  return { label, score: row[label]! };
}
