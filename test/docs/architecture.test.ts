import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAY_IMPORT } from '../helpers/import-rules.js';
import { ROOT } from './blocks.js';

describe('docs/architecture.md', () => {
  const text = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8');
  const section = /^## Layers$(.*?)^## /ms.exec(text)![1]!;
  const layers = [...section.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, layer]) => layer!),
  );

  it('has every layer of the code once', () => {
    expect([...layers].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it('has each layer above those that it may import', () => {
    const upward = layers.flatMap((layer, place) =>
      MAY_IMPORT[layer]!.filter((below) => layers.indexOf(below) < place).map(
        (below) => `${layer} → ${below}`,
      ),
    );
    expect(upward).toEqual([]);
  });
});
