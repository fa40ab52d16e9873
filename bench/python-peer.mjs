// A peer in Python that answers each JSON line with one; its first line tells what it is.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts a script. @returns its first line, a function that sends a job and gives the answer, and one that ends it */
export async function startPython(python, args) {
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const failed = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${python} ${args[0]} ended with exit code ${code}.`)));
  });
  failed.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await Promise.race([lines.next(), failed])).value);
  return {
    facts: await next(),
    ask(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      return next();
    },
    stop: () => child.kill(),
  };
}
