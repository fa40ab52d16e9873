// Doc comments of the fields of schemas and interfaces, read from the sources, which are formatted by biome.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FIELD = /^( +)(?:readonly )?(\w+)\??: ?(.*)$/;
const SPREAD = /^( +)\.\.\.(?:\w+\()?(\w+)/;

/** The lines of a declaration: `const name = …` or `interface name …`, without the line that closes it. */
function declarationOf(text, name) {
  const start = new RegExp(`^(?:export )?(?:const|interface) ${name}\\b.*$`, 'm').exec(text);
  if (start === null) return null;
  const lines = text.slice(start.index).split('\n');
  if (lines[0].endsWith(';')) return [lines[0]];
  return lines.slice(
    0,
    lines.findIndex((line, i) => i > 0 && /^\S/.test(line)),
  );
}

/** A comment as one line of prose. */
function proseOf(lines) {
  return lines
    .join(' ')
    .replace(/\/\*\*|\*\/|^\s*\* | \* /g, ' ')
    .replace(/\{@link ([^}]*)\}/g, '`$1`')
    .replace(/ ?@default .*$/, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The file in which a name of another file is declared. */
function importOf(text, file, name) {
  const from = new RegExp(`import (?:type )?\\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)'`).exec(text)?.[1];
  return from === undefined ? null : join(dirname(file), from.replace(/\.js$/, '.ts'));
}

/**
 * Fields of a declaration in their order.
 *
 * @returns comment and written type by dotted path; items of lists and records have the path of what holds them.
 */
export function fieldsOf(file, name) {
  const text = readFileSync(file, 'utf8');
  const lines = declarationOf(text, name);
  if (lines === null) {
    const other = importOf(text, file, name);
    return other === null ? new Map() : fieldsOf(other, name);
  }
  const fields = new Map();
  const above = [];
  let comment = null;
  const take = (prefix, other) => {
    for (const [path, field] of fieldsOf(file, other))
      if (!fields.has(prefix + path)) fields.set(prefix + path, field);
  };
  const base = /\bextends (\w+)/.exec(lines[0])?.[1];
  if (base !== undefined) take('', base);
  for (const line of lines.slice(1)) {
    if (/^\s*\/?\*/.test(line)) {
      if (line.includes('/**')) comment = [];
      comment?.push(line);
      continue;
    }
    const indentation = /^ */.exec(line)[0].length;
    while (above.length > 0 && above.at(-1).indentation >= indentation) above.pop();
    const prefix = above.map(({ key }) => `${key}.`).join('');
    const field = FIELD.exec(line);
    const spread = SPREAD.exec(line);
    if (field !== null) {
      const [, , key, type] = field;
      fields.set(prefix + key, {
        comment: comment === null ? '' : proseOf(comment),
        type: type.replace(/[;,]$/, ''),
      });
      above.push({ indentation, key });
      for (const [, other] of type.matchAll(/\b(\w+(?:Schema|Shape))\b/g)) take(`${prefix}${key}.`, other);
    } else if (spread !== null) {
      take(prefix, spread[2]);
    } else {
      for (const [, other] of line.matchAll(/\b(\w+(?:Schema|Shape))\b/g)) take(prefix, other);
    }
    if (field !== null || spread !== null) comment = null;
  }
  return fields;
}
