import { existsSync } from 'node:fs';
import { PermafrostError } from '../errors/error.js';

/** A file of sentences; with a name where there are several, or one was given. */
export interface NamedFile {
  name: string | null;
  file: string;
}

/**
 * Reads files that may have names, such as `en=test.iob2`; the first one may be without.
 *
 * @param option that they were given with, for messages.
 * @throws INVALID_OPTION for a name that comes twice, and for several files of which a later one has no name.
 */
export function parseNamedFiles(given: string | readonly string[], option: string): NamedFile[] {
  const files = [given].flat().map(parseNamedFile);
  const names = new Set<string>();
  for (const [index, { name, file }] of files.entries()) {
    if (name === null && index > 0) {
      throw invalid(option, `the ${index + 1} files need names, such as kk=${file}.`, file);
    }
    if (name === null) continue;
    if (names.has(name)) throw invalid(option, `two files have the name ${name}. Name each once.`, name);
    names.add(name);
  }
  return files;
}

function parseNamedFile(text: string): NamedFile {
  const match = /^([A-Za-z0-9][\w.-]*)=(.+)$/.exec(text);
  // A file may have such a name itself.
  return match === null || existsSync(text)
    ? { name: null, file: text }
    : { name: match[1]!, file: match[2]! };
}

function invalid(option: string, message: string, got: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `\`${option}\`: ${message}`, { option, got });
}
