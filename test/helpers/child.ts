import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The built package, which child processes and worker threads load; `npm run build:typescript` makes it. */
export const BUILT_INDEX = pathToFileURL(resolve('dist/index.js')).href;

/** One of the package's further entries, such as `data`. */
export const builtEntry = (name: string) => pathToFileURL(resolve(`dist/entries/${name}.js`)).href;

export interface ChildResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a module's text in a process of its own; `${BUILT_INDEX}` imports the package. */
export function runChild(source: string, flags: string[] = [], timeoutMs = 30_000): Promise<ChildResult> {
  return runNode([...flags, '--input-type=module', '-e', source], timeoutMs);
}

/** Runs Node in a process of its own. */
export function runNode(args: string[], timeoutMs = 30_000): Promise<ChildResult> {
  return new Promise((settle, reject) => {
    const child = spawn(process.execPath, args);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      settle({ code, signal, stdout, stderr });
    });
  });
}
