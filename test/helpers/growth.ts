/** Turns of the event loop while some work is under way. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    if (isOver) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  try {
    await work();
  } finally {
    isOver = true;
  }
  return turns;
}

/** Eight times the work: 8 times the processor time where it is in proportion, 64 times where it is its square. */
export const TIMES = 8;

/** Far above growth in proportion, far below a square. */
const LINEAR = 24;

/**
 * Whether time grows with the work, by processor time.
 * What else the machine does only adds to a measurement, so the least of several counts, and one fair ratio is enough:
 * no luck brings a square down to it.
 */
export async function isLinear(size: number, work: (size: number) => unknown): Promise<boolean> {
  const least = { small: Number.POSITIVE_INFINITY, large: Number.POSITIVE_INFINITY };
  const cost = async (n: number) => {
    const before = process.cpuUsage();
    await work(n);
    return process.cpuUsage(before).user;
  };
  await work(size);
  for (let attempt = 0; attempt < 5; attempt++) {
    // Below two milliseconds the clock and the collector say more than the work.
    for (let i = 0; i < 3; i++) least.small = Math.max(2000, Math.min(least.small, await cost(size)));
    least.large = Math.min(least.large, await cost(TIMES * size));
    if (least.large / least.small < LINEAR) return true;
  }
  return false;
}
