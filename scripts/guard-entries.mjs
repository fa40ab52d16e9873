// Puts the edge of the package (src/errors/guard.ts) around its entries. An entry says in plain `export … from` what it
// offers, with precise types and documentation; what is loaded at run time is the same names, each behind the guard.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { PROJECT_ROOT } from './toolchain.mjs';

/** Names of the values that a module's text exports, types left out. */
export function exportedValues(text) {
  return [...text.matchAll(/^export \{([^}]*)\} from /gm)].flatMap(([, names]) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type ')),
  );
}

/** A module that offers the values of another one behind the guard. */
export function guardedModule(names, { entry, guard }) {
  return [
    `import { guardFace } from '${guard}';`,
    `import * as face from '${entry}';`,
    `export const { ${names.join(', ')} } = guardFace(face);`,
    '',
  ].join('\n');
}

/** Files of the package's entries below a folder, from the one list that there is. */
export function entryFiles(folder, extension) {
  const { exports } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'));
  return Object.values(exports)
    .map((entry) => entry.default)
    .filter((file) => file !== undefined)
    .map((file) => join(PROJECT_ROOT, folder, relative('dist', file).replace(/\.js$/, extension)));
}

/** Guards the compiled entries: `dist/index.js` offers what `dist/index.entry.js` has. */
export function guardCompiledEntries() {
  const guard = join(PROJECT_ROOT, 'dist', 'errors', 'guard.js');
  for (const file of entryFiles('dist', '.js')) {
    const names = exportedValues(readFileSync(file, 'utf8'));
    const entry = file.replace(/\.js$/, '.entry.js');
    renameSync(file, entry);
    const path = relative(dirname(file), guard);
    const specifiers = { entry: `./${basename(entry)}`, guard: path.startsWith('.') ? path : `./${path}` };
    writeFileSync(file, guardedModule(names, specifiers));
  }
}

/** The same for tests, which load the sources: a plugin for Vite. */
export function guardSourceEntries() {
  const entries = new Set(entryFiles('src', '.ts'));
  const guard = join(PROJECT_ROOT, 'src', 'errors', 'guard.ts');
  return {
    name: 'permafrost:guard-entries',
    enforce: 'pre',
    transform(text, id) {
      if (!entries.has(id)) return null;
      return guardedModule(exportedValues(text), { entry: `${id}?entry`, guard });
    },
  };
}
