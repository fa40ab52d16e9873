// Finds the entities of a text, line by line.
//
//   node examples/tag.ts MODEL < text      (Node 22.18 or later runs TypeScript as it is)
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Entity, Tagger } from 'permafrost';

/** Yields the entities of each line. */
export async function* main(model: string, lines: AsyncIterable<string>): AsyncGenerator<Entity[]> {
  const tagger = await Tagger.load(model);
  try {
    // Lines are computed together, and come back in their order.
    yield* tagger.tag(lines);
  } finally {
    await tagger.dispose();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model] = process.argv.slice(2);
  if (!model) throw new Error('Usage: tag.ts MODEL < text');
  for await (const entities of main(model, createInterface({ input: process.stdin }))) {
    console.log(entities.map(({ type, text, score }) => `${type} ${text} (${score.toFixed(2)})`).join('; '));
  }
}
