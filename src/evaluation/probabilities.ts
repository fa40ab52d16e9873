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
