/**
 * Rounds fp32 numbers to IEEE half precision, to nearest and ties to even, as bytes.
 *
 * What is too large becomes infinite, what is too small 0.
 */
export function toHalf(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfBits(bits[i]!);
  return new Uint8Array(halves.buffer);
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // NaN stays NaN; from 65520 on everything rounds to infinity.
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 halves are multiples of 2^-24.
  const isSubnormal = magnitude < 0x38800000;
  if (magnitude < 0x33000000) return sign;
  const exponent = magnitude >>> 23;
  const dropped = isSubnormal ? 126 - exponent : 13;
  const significand = isSubnormal ? (magnitude & 0x7fffff) | 0x800000 : magnitude - 0x38000000;
  const kept = significand >>> dropped;
  const rest = significand & ((1 << dropped) - 1);
  const half = 1 << (dropped - 1);
  const roundsUp = rest > half || (rest === half && (kept & 1) === 1);
  return sign | (kept + Number(roundsUp));
}
