import { spawn } from 'node:child_process';

/** Runs a program for so many seconds at most, and gives what it printed; the error is the last line of its complaints. */
export function runProgram(command, args, { seconds, env = {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      timeout: seconds * 1000,
      killSignal: 'SIGKILL',
    });
    let [output, complaints] = ['', ''];
    child.stdout.on('data', (part) => {
      output += part;
    });
    child.stderr.on('data', (part) => {
      complaints += part;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(output);
      const said = complaints.trim().split('\n').at(-1);
      reject(new Error(signal ? `given up after ${seconds.toFixed(0)} s` : said || `exit status ${status}`));
    });
  });
}

/** The last line that a program printed, as JSON. */
export const lastJson = (output) => JSON.parse(output.trim().split('\n').at(-1));
