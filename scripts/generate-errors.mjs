// Writes docs/errors.md from the list of error codes; a test proves that it is current.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_ROOT } from './toolchain.mjs';

const { renderCatalogue } = await import('../dist/errors/catalogue.js');
const file = join(PROJECT_ROOT, 'docs', 'errors.md');
writeFileSync(file, renderCatalogue());
console.log(file);
