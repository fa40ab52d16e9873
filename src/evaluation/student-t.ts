/**
 * Two-sided tail probability of Student's t distribution, P(|T| >= |t|), for whole degrees of freedom.
 *
 * It is the regularised incomplete beta function I_x(df / 2, 1 / 2) at x = df / (df + t²), by its continued fraction.
 */
export function studentTwoSided(t: number, df: number): number {
  const square = t * t;
  if (square === Number.POSITIVE_INFINITY) return 0;
  const [a, b] = [df / 2, 1 / 2];
  const x = df / (df + square);
  const y = square / (df + square);
  if (y === 0) return 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log(y)) / betaWithHalf(a);
  // The fraction converges fast on one side of the mean; the other side is its complement.
  if (x < (a + 1) / (a + b + 2)) return (front * fraction(a, b, x)) / a;
  return 1 - (front * fraction(b, a, y)) / b;
}

/** The t that |T| exceeds with probability `alpha`, for whole degrees of freedom; 12.7 for 0.05 and 1. */
export function studentCritical(alpha: number, df: number): number {
  let low = 0;
  let high = 1;
  while (studentTwoSided(high, df) > alpha) high *= 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTwoSided(middle, df) > alpha) low = middle;
    else high = middle;
  }
}

/** B(a, 1/2) = Γ(a) Γ(1/2) / Γ(a + 1/2) of a whole or half number, from B(1/2, 1/2) = π or B(1, 1/2) = 2. */
function betaWithHalf(a: number): number {
  let at = Number.isInteger(a) ? 1 : 0.5;
  let value = at === 1 ? 2 : Math.PI;
  for (; at < a; at++) value *= at / (at + 0.5);
  return value;
}

/** The continued fraction of the incomplete beta function, by Lentz's method. */
function fraction(a: number, b: number, x: number): number {
  const tiny = 1e-300;
  const awayFromZero = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / awayFromZero(1 + term * d);
      c = awayFromZero(1 + term / c);
      change = d * c;
      result *= change;
    }
    if (Math.abs(change - 1) < 1e-16) break;
  }
  return result;
}
