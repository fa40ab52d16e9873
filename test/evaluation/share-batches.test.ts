import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/index.js';
import { Ranks } from '../../src/training/ranks.js';
import { smallTask } from '../helpers/corpus.js';
import { fakeGroups } from '../helpers/fake-group.js';

describe('evaluate with peers', () => {
  const task = smallTask();

  it.each([
    ['argmax', 2, 60],
    ['argmax', 3, 200],
    ['viterbi', 2, 60],
  ] as const)('by %s on %i ranks is that of one process', async (decoding, size, maxTokens) => {
    await using model = await task.createModel();
    // Windows of one sentence lie in batches of different ranks.
    const cut = { maxLength: 12, longSentences: 'windows' as const };
    const options = { model, sentences: task.validation, decoding, maxTokens, ...cut };
    const told = ({ seconds: _, ...evaluation }: Awaited<ReturnType<typeof evaluate>>) => evaluation;
    const alone = told(await evaluate(options));
    const groups = fakeGroups(Array.from({ length: size }, () => ({})));
    const all = await Promise.all(
      groups.map((group) => evaluate({ ...options, peers: new Ranks(group).peers! })),
    );
    for (const evaluation of all) expect(told(evaluation)).toEqual(alone);
  });
});
