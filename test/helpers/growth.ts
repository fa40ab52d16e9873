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

/** Times the processor time that four times the work takes: 4 where it is in proportion, 16 where it is its square. */
export async function growthOf(size: number, work: (size: number) => unknown): Promise<number> {
  const cost = async (n: number) => {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const before = process.cpuUsage();
      await work(n);
      const { user } = process.cpuUsage(before);
      least = Math.min(least, user);
    }
    return least;
  };
  await work(size);
  const once = await cost(size);
  return (await cost(4 * size)) / Math.max(once, 2000);
}

/** Below it, growth is no square; of work in proportion, warmed up or not, far above. */
export const LINEAR = 9;
