import { expect, it } from 'vitest';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { BATCH, TINY } from '../helpers/with-model.js';

it('hundreds of models made, trained and disposed do not let the process grow', async () => {
  const result = await runChild(
    `import { TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
     const config = { ...${JSON.stringify(TINY)}, hiddenSize: 64, intermediateSize: 256, vocabSize: 4000 };
     async function cycle() {
       const model = await TokenClassifier.create(config, { threads: 1 });
       const trainer = await model.trainer();
       await trainer.step(${JSON.stringify(BATCH)});
       await model.takeSnapshot();
       await model.dispose();
     }
     async function residentAfter(cycles) {
       for (let i = 0; i < cycles; i++) await cycle();
       gc();
       return process.memoryUsage.rss() / 2 ** 20;
     }
     const first = await residentAfter(30);
     const last = await residentAfter(150);
     console.log(JSON.stringify({ first, last }));`,
    ['--expose-gc'],
  );
  expect(result).toMatchObject({ code: 0, stderr: '' });
  const { first, last } = JSON.parse(result.stdout) as { first: number; last: number };
  // One model with its optimizer holds about 8 MiB; 150 leaked ones would be above 1 GiB.
  expect(last - first).toBeLessThan(40);
});
