/** Largest magnitude of a number of 8 bits that goes as far to either side. */
export const LARGEST = 127;

/** One scale for each row, such that its largest magnitude becomes {@link LARGEST}; 1 for a row of zeros. */
export function rowScales(matrix: Float32Array, width: number): Float32Array {
  const scales = new Float32Array(matrix.length / width);
  for (let row = 0; row < scales.length; row++) {
    let largest = 0;
    for (let i = row * width; i < (row + 1) * width; i++) largest = Math.max(largest, Math.abs(matrix[i]!));
    scales[row] = largest === 0 ? 1 : largest / LARGEST;
  }
  return scales;
}

/** Each weight in units of its row's scale, rounded to the nearest. */
export function quantizeRows(matrix: Float32Array, width: number): Int8Array {
  const scales = rowScales(matrix, width);
  const values = new Int8Array(matrix.length);
  for (let i = 0, row = 0; row < scales.length; row++) {
    const scale = scales[row]!;
    for (const end = i + width; i < end; i++) values[i] = Math.round(matrix[i]! / scale);
  }
  return values;
}
