import { readFile } from 'node:fs/promises';
import { isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml';
import { PermafrostError } from '../../errors/error.js';

/** A setting as it was given: `optimizer.betas` is the path `optimizer`, `betas`. */
export interface GivenSetting {
  path: readonly string[];
  value: unknown;
  /** Where it stands: `settings.yaml:3`, or `--set epochs`. */
  place: string;
  /** Whether the value is a text that may mean a number, a list, true or false. */
  isText?: boolean;
}

/** A file of settings. */
export interface SettingsFile {
  file: string;
  /** All that it holds. */
  value: Record<string, unknown>;
  /** Its entries, with the lines that they stand on. */
  settings: GivenSetting[];
}

/** Reads YAML or JSON, whose superset YAML is. @throws FILE_NOT_FOUND; DATA_FORMAT with the line of the fault */
export async function readSettingsFile(file: string): Promise<SettingsFile> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'EISDIR' ? 'it is a directory' : (cause.code ?? 'unknown');
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `${file}: the settings cannot be read (${reason}). Name a file in YAML or JSON, such as the record.json of a run.`,
      { file },
      { cause },
    );
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [fault] = document.errors;
  if (fault !== undefined) {
    throw notSettings(`${file}:${lines.linePos(fault.pos[0]).line}`, fault.message.split('\n')[0]!);
  }
  const { contents } = document;
  if (contents === null) return { file, value: {}, settings: [] };
  if (!isMap(contents)) throw notSettings(file, 'expected options by their names, such as `epochs: 3`');
  const lineOf = (node: Node) => lines.linePos(node.range?.[0] ?? 0).line;
  const value = document.toJS() as Record<string, unknown>;
  const settings = contents.items.map(({ key, value: node }) => {
    const name = String(isNode(key) ? key.toJSON() : key);
    const line = isNode(key) ? lineOf(key) : 1;
    return { path: [name], value: value[name], place: `${file}:${line}`, node };
  });
  return {
    file,
    value,
    settings: settings.flatMap(({ node, ...setting }) => [
      setting,
      // What a group holds has lines of its own.
      ...(isMap(node)
        ? node.items.map(({ key }) => {
            const name = String(isNode(key) ? key.toJSON() : key);
            const inner = (setting.value as Record<string, unknown>)[name];
            const line = isNode(key) ? lineOf(key) : 1;
            return { path: [...setting.path, name], value: inner, place: `${file}:${line}` };
          })
        : []),
    ]),
  };
}

function notSettings(place: string, reason: string): PermafrostError {
  return new PermafrostError('DATA_FORMAT', `${place}: not settings in YAML or JSON: ${reason}.`, {
    file: place,
  });
}

/** Reads `--set name=value`, or `--set group.name=value`; the value stays a text. @throws INVALID_OPTION */
export function readSet(text: string): GivenSetting {
  const match = /^\s*([\w-]+(?:\.[^\s=.]+)*)\s*=(.*)$/s.exec(text);
  if (match === null) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `--set: expected name=value, such as epochs=3 or optimizer.betas=0.9,0.98, got ${JSON.stringify(text)}.`,
      { option: 'set', got: text },
    );
  }
  return { path: match[1]!.split('.'), value: match[2]!.trim(), place: `--set ${match[1]}`, isText: true };
}
