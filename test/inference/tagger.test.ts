import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGGREGATION_STRATEGIES, type Taggable } from '../../src/entries/tagging.js';
import { entitySpans } from '../../src/evaluation/entity-spans.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import {
  type Entity,
  finetune,
  type Sentence,
  Tagger,
  type TaggerOptions,
  type TokenClassifier,
} from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { rawTensors, writeTensorFile } from '../helpers/safetensors-file.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const texts = task.test.map(({ words }) => words.join(' '));
let directory: string;
/** Trained for a while, so that its entities have some sense. */
let model: TokenClassifier;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-tagger-'));
  model = await task.createModel();
  const { train, validation } = task;
  const optimizer = { learningRate: 5e-3, warmupRatio: 0.1 };
  const options = { model, train, validation, epochs: 14, batchSize: 8, optimizer };
  await finetune({ ...options, earlyStopping: false }).result;
  await model.save(join(directory, 'model'));
});
afterAll(async () => {
  await model.dispose();
  await rm(directory, { recursive: true, force: true });
});

async function withTagger<T>(options: TaggerOptions, body: (tagger: Tagger) => Promise<T>): Promise<T> {
  const tagger = Tagger.of(model, options);
  try {
    return await body(tagger);
  } finally {
    await tagger.dispose();
  }
}

/** Places and types to the letter, scores as far as the order of sums allows. */
function expectSame(found: Entity[], expected: Entity[]): void {
  const places = (entities: Entity[]) => entities.map(({ score: _, ...rest }) => rest);
  expect(places(found)).toEqual(places(expected));
  for (const [i, { score }] of found.entries())
    expect(Math.abs(score - expected[i]!.score)).toBeLessThan(1e-5);
}

async function* streamOf(items: readonly Taggable[]) {
  yield* items;
}

describe('a tagger', () => {
  it('finds in words what evaluation finds in them', async () => {
    const { predicted } = await evaluate({ model, sentences: task.test });
    await withTagger({}, async (tagger) => {
      let total = 0;
      for (const [i, { words }] of task.test.entries()) {
        const spans = entitySpans(predicted[i]!).map(({ type, start, end }) => [
          type,
          words.slice(start, end).join(' '),
        ]);
        const entities = await tagger.tag(words);
        expect(entities.map(({ type, text }) => [type, text])).toEqual(spans);
        const text = words.join(' ');
        for (const entity of entities) expect(text.slice(entity.start, entity.end)).toBe(entity.text);
        total += spans.length;
      }
      expect(total).toBeGreaterThan(10);
    });
  });

  it('finds the same in running text where the words are the same', async () => {
    await withTagger({}, async (tagger) => {
      const plain = task.test.filter(({ words }) =>
        words.every((word) => /^[\p{L}\p{N}]+$|^[^\p{L}\p{N}]$/u.test(word)),
      );
      expect(plain.length).toBeGreaterThan(10);
      for (const { words } of plain) expectSame(await tagger.tag(words.join(' ')), await tagger.tag(words));
    });
  });

  it('loads a saved directory, and gives every strategy on request', async () => {
    const tagger = await Tagger.load(join(directory, 'model'), { threads: 1, aggregation: 'simple' });
    try {
      expect(tagger.labels).toEqual(task.labels);
      expect(tagger.stats).toMatchObject({ batches: 1, open: 0 });
      const text = texts.find((candidate) => candidate.length > 60)!;
      const all = await tagger.tag(text, { aggregation: 'none', ignoreLabels: [] });
      expect(all.map((token) => token.text.length).every((length) => length > 0)).toBe(true);
      expect(all.length).toBeGreaterThan(5);
      for (const { type } of all) expect(task.labels).toContain(type);
      for (const aggregation of AGGREGATION_STRATEGIES) {
        for (const { score, start, end, text: own } of await tagger.tag(text, { aggregation })) {
          expect(score > 0 && score <= 1).toBe(true);
          expect(own).toBe(text.slice(start, end));
        }
      }
      expectSame(await tagger.tag(text), await tagger.tag(text, { aggregation: 'simple' }));
    } finally {
      await tagger.dispose();
    }
    expect((await thrownBy(() => tagger.tag('x'))).code).toBe('DISPOSED');
  });

  it('tags nothing where there is nothing', async () => {
    await withTagger({}, async (tagger) => {
      expect(await tagger.tag('')).toEqual([]);
      expect(await tagger.tag(' \u200b\n')).toEqual([]);
      expect(await tagger.tag([])).toEqual([]);
      expect(await tagger.tag(['', '\u200b'])).toEqual([]);
      expect(tagger.stats.batches).toBe(0);
    });
  });

  it('joins and parts entities of an IOBES head as its labels say', async () => {
    const labels = ['O', 'B-X', 'I-X', 'E-X', 'S-X'];
    const other = await task.createModel(2, { labels });
    const tagger = Tagger.of(other);
    try {
      const words = ['aa', 'bb', 'cc', 'dd', 'ee', 'ff', 'gg', 'hh'];
      const tokens = await tagger.tag(words, { aggregation: 'none', ignoreLabels: [] });
      const entities = await tagger.tag(words, { ignoreLabels: [] });
      expect(new Set(entities.map(({ type }) => type)).size).toBeLessThanOrEqual(2);
      const first = new Map<number, string>();
      for (const { start, type } of tokens) if (!first.has(start)) first.set(start, type);
      const expected: number[] = [];
      let previous = 'none';
      for (const [start, label] of first) {
        const type = label === 'O' ? 'O' : 'X';
        if (type !== previous || /^[BS]/.test(label)) expected.push(start);
        previous = type;
      }
      expect(entities.map(({ start }) => start)).toEqual(expected);
    } finally {
      await tagger.dispose();
      await other.dispose();
    }
  });

  it('refuses what cannot be tagged and options that cannot be', async () => {
    await withTagger({}, async (tagger) => {
      for (const input of [5, null, undefined, [1], {}]) {
        const error = await thrownBy(() => tagger.tag(input as never));
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toMatch(/^tag: expected a string/);
      }
      const error = await thrownBy(() => tagger.tag('x', { agregation: 'first' } as never));
      expect(error.message).toContain('`aggregation`');
      const stream = tagger.tag(streamOf(['x', 7 as never]));
      await stream.next();
      expect((await thrownBy(() => stream.next())).code).toBe('INVALID_OPTION');
    });
    for (const options of [{ maxLength: 10_000 }, { maxLength: 10, overlap: 8 }, { maxQueue: 0 }]) {
      expect((await thrownBy(() => Tagger.of(model, options))).code).toBe('INVALID_OPTION');
    }
    const load = () => Tagger.load(join(directory, 'nowhere'));
    expect((await thrownBy(load)).code).toBe('FILE_NOT_FOUND');
  });
});

describe('windows', () => {
  const long = texts.join(' ');

  it('give the bits of the whole text where it fits in one', async () => {
    const text = texts[0]!;
    const whole = await withTagger({ maxLength: 128 }, (tagger) => tagger.tag(text));
    expect(await withTagger({ maxLength: 128, overlap: 60 }, (tagger) => tagger.tag(text))).toEqual(whole);
  });

  it('give what the whole text gives, where tokens do not look at each other', async () => {
    const folder = join(directory, 'no-context');
    const wide = await task.createModel(3, { maxPositions: 4096 });
    await wide.save(folder);
    await wide.dispose();
    const file = join(folder, 'model.safetensors');
    const tensors = rawTensors(file);
    for (const { name, bytes } of tensors) {
      if (/attention\.output\.dense|position_embeddings/.test(name)) bytes.fill(0);
    }
    writeTensorFile(file, tensors);
    const load = (options: TaggerOptions) => Tagger.load(folder, { threads: 1, ...options });
    const [whole, windowed] = [await load({ maxLength: 4096 }), await load({ maxLength: 24, overlap: 7 })];
    try {
      for (const aggregation of AGGREGATION_STRATEGIES) {
        const expected = await whole.tag(long, { aggregation });
        expect(expected.length).toBeGreaterThan(20);
        expectSame(await windowed.tag(long, { aggregation }), expected);
      }
      expect(whole.stats.sequences).toBe(6);
      expect(windowed.stats.sequences).toBeGreaterThan(100);
    } finally {
      await whole.dispose();
      await windowed.dispose();
    }
  });

  it('lose no word of a long text', async () => {
    const options = { aggregation: 'first', ignoreLabels: [] } as const;
    await withTagger({ maxLength: 32 }, async (tagger) => {
      const everything = await tagger.tag(long, options);
      let end = 0;
      for (const entity of everything) {
        expect(long.slice(end, entity.start)).toMatch(/^\s*$/);
        end = entity.end;
      }
      expect(long.slice(end)).toBe('');
    });
  });
});

describe('many calls at once', () => {
  it('are merged, and each gets what it gets alone', async () => {
    await withTagger({}, async (tagger) => {
      const alone: Entity[][] = [];
      for (const text of texts) alone.push(await tagger.tag(text));
      const before = tagger.stats.batches;
      expect(before).toBe(texts.length);
      const together = await Promise.all(texts.map((text) => tagger.tag(text)));
      for (const [i, entities] of together.entries()) expectSame(entities, alone[i]!);
      expect(tagger.stats.batches - before).toBeLessThan(texts.length / 2);
    });
  });

  it('beyond the limit are refused with QUEUE_FULL, and the others are served', async () => {
    await withTagger({ maxQueue: 4 }, async (tagger) => {
      const results = await Promise.allSettled(texts.slice(0, 10).map((text) => tagger.tag(text)));
      expect(results.map(({ status }) => status)).toEqual([
        ...new Array(4).fill('fulfilled'),
        ...new Array(6).fill('rejected'),
      ]);
      expect(results[9]).toMatchObject({ reason: { code: 'QUEUE_FULL', details: { maxQueue: 4 } } });
      expect(tagger.stats.open).toBe(0);
      await tagger.tag(texts[0]!);
    });
  });

  it('end with the reason of their signal, and leave the tagger usable', async () => {
    await withTagger({ maxBatchTokens: 16 }, async (tagger) => {
      const controller = new AbortController();
      const { signal } = controller;
      const pending = texts.map((text) => tagger.tag(text, { signal }));
      const other = tagger.tag(texts[0]!);
      controller.abort(new Error('changed my mind'));
      for (const call of await Promise.allSettled(pending)) {
        expect(call).toMatchObject({ status: 'rejected', reason: { message: 'changed my mind' } });
      }
      expect(await other).toEqual(await tagger.tag(texts[0]!));
      await expect(tagger.tag('x', { signal })).rejects.toThrow('changed my mind');
      expect(tagger.stats.open).toBe(0);
    });
  });

  it('that wait when the tagger is disposed end with DISPOSED', async () => {
    const tagger = Tagger.of(model, { maxBatchTokens: 8 });
    const pending = Promise.allSettled(texts.map((text) => tagger.tag(text)));
    await Promise.all([tagger.dispose(), tagger.dispose()]);
    for (const call of await pending) {
      if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'DISPOSED' });
    }
    expect((await thrownBy(() => tagger.tag('x'))).code).toBe('DISPOSED');
    // The model is its owner's and lives on.
    expect((await model.logits({ inputIds: [[2, 3]] })).shape[0]).toBe(2);
  });
});

it('leaves out entities below `minScore`, of the tagger or of the call', async () => {
  await withTagger({}, async (tagger) => {
    const text = texts.find((one) => one.length > 60)!;
    const all = await tagger.tag(text);
    const least = all.map(({ score }) => score).sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
    const kept = all.filter(({ score }) => score >= least);
    expect(await tagger.tag(text, { minScore: least })).toEqual(kept);
    await withTagger({ minScore: least }, async (other) => {
      expect(await other.tag(text)).toEqual(kept);
      expect(await other.tag(text, { minScore: 0 })).toEqual(all);
    });
  });
});

describe('a stream', () => {
  it('gives the entities of each item in order, of texts and of words', async () => {
    await withTagger({}, async (tagger) => {
      const items: Taggable[] = task.test.map(({ words }: Sentence, i) => (i % 2 ? words : words.join(' ')));
      const found: Entity[][] = [];
      for await (const entities of tagger.tag(streamOf(items))) found.push(entities);
      expect(found.length).toBe(items.length);
      for (const [i, item] of items.entries()) expectSame(found[i]!, await tagger.tag(item));
    });
  });

  it('may be far longer than the queue', async () => {
    await withTagger({ maxQueue: 1 }, async (tagger) => {
      let count = 0;
      for await (const _ of tagger.tag(streamOf(Array.from({ length: 300 }, (_, i) => texts[i % 40]!))))
        count++;
      expect(count).toBe(300);
    });
  });
});
