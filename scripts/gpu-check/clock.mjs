/** What is left of a number of seconds. */
export class Clock {
  #start = performance.now();
  constructor(seconds) {
    this.seconds = seconds;
  }
  elapsed() {
    return (performance.now() - this.#start) / 1000;
  }
  left() {
    return this.seconds - this.elapsed();
  }
}

/** What a promise gives within so many seconds, else an error; what it does goes on unseen. */
export async function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`given up after ${seconds.toFixed(0)} s`)), seconds * 1000);
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
