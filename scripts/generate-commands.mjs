// Writes docs/commands.md and dist/man/permafrost.1 from the command line as it parses; a test proves that the first one
// is current.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROJECT_ROOT } from './toolchain.mjs';

const nothing = () => () => Promise.resolve();

/** Writes the manual page beside what was compiled. */
export async function writeManual() {
  const { buildProgram } = await import('../dist/cli/main.js');
  const { manualPage } = await import('../dist/cli/manual.js');
  const file = join(PROJECT_ROOT, 'dist', 'man', 'permafrost.1');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, manualPage(buildProgram(nothing)));
}

async function writeReference() {
  const { buildProgram } = await import('../dist/cli/main.js');
  const { commandReference } = await import('../dist/cli/reference.js');
  const file = join(PROJECT_ROOT, 'docs', 'commands.md');
  writeFileSync(file, commandReference(buildProgram(nothing)));
  console.log(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeManual();
  await writeReference();
}
