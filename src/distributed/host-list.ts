/**
 * The hosts of a list as Slurm writes it, such as `node[01-03,7],login`: ranges keep their leading zeros, and several
 * brackets in a name multiply.
 *
 * @returns null where the text is no such list
 */
export function expandHosts(text: string): string[] | null {
  const items = splitOutside(text);
  if (items === null) return null;
  const hosts: string[] = [];
  for (const item of items) {
    const expanded = expandItem(item);
    if (expanded === null) return null;
    hosts.push(...expanded);
  }
  return hosts;
}

/** At commas that stand in no brackets. */
function splitOutside(text: string): string[] | null {
  const items = text.match(/(?:[^,[\]]|\[[^[\]]*\])+/g);
  return items !== null && items.join(',') === text ? items : null;
}

function expandItem(item: string): string[] | null {
  const [, before, ranges, after] = /^([^[]*)\[([^\]]+)\](.*)$/.exec(item) ?? [];
  if (ranges === undefined) return /^[\w.-]+$/.test(item) ? [item] : null;
  const tails = after === '' ? [''] : expandTail(after!);
  if (tails === null) return null;
  const numbers: string[] = [];
  for (const range of ranges.split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined) return null;
    for (let number = Number(first); number <= Number(last); number++) {
      numbers.push(String(number).padStart(first.length, '0'));
    }
  }
  return numbers.flatMap((number) => tails.map((tail) => `${before}${number}${tail}`));
}

function expandTail(tail: string): string[] | null {
  return tail.includes('[') ? expandItem(tail) : /^[\w.-]+$/.test(tail) ? [tail] : null;
}
