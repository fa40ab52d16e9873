// Compiles src/ to dist/ from scratch, so that dist/ holds nothing that src/ no longer has.
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { writeManual } from './generate-commands.mjs';
import { guardCompiledEntries } from './guard-entries.mjs';
import { PROJECT_ROOT, run } from './toolchain.mjs';

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
rmSync(join(PROJECT_ROOT, 'dist'), { recursive: true, force: true });
run(process.execPath, [join(typescript, 'bin', 'tsc'), '-p', 'tsconfig.json']);
guardCompiledEntries();
// What a browser reads is copied as it is.
for (const name of ['page.css', 'page.js']) {
  const file = join('report', 'page', name);
  cpSync(join(PROJECT_ROOT, 'src', file), join(PROJECT_ROOT, 'dist', file));
}

await writeManual();

const program = join(PROJECT_ROOT, 'dist', 'cli', 'main.js');
if (existsSync(program)) chmodSync(program, 0o755);
