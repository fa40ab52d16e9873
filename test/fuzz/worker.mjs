// Runs the inputs of one target one after another. The number of the input under way stands in a file, so that whoever
// started this knows it when the process dies or does not come back.
//
//   node test/fuzz/worker.mjs TARGET SEED FIRST LAST SECONDS STATE-FILE
import { openSync, writeSync } from 'node:fs';
import { built } from './built.mjs';
import { Random } from './random.mjs';

const MOST_BYTES = 2 ** 31;

const [name, seed, first, last, seconds, stateFile] = process.argv.slice(2);
const { default: target } = await import(`./targets/${name}.mjs`);
const { PermafrostError } = await built('errors/error.js');
const state = openSync(stateFile, 'r+');
const number = Buffer.alloc(8);
const note = (input) => {
  number.writeDoubleLE(input);
  writeSync(state, number, 0, 8, 0);
};
const report = (message) => new Promise((resolve) => process.send(message, resolve));
let untyped;
process.on('unhandledRejection', (error) => {
  untyped = error;
});
process.on('uncaughtException', (error) => {
  untyped = error;
});

// Whoever started this is gone.
process.on('disconnect', () => process.exit());

const context = await target.setUp();
const end = performance.now() + Number(seconds) * 1000;
const codes = {};
let input = Number(first);
for (; input < Number(last) && performance.now() < end; input++) {
  note(input);
  const given = target.input(new Random(seed, name, input), context);
  try {
    await target.run(given, context);
    codes.value = (codes.value ?? 0) + 1;
  } catch (error) {
    if (error instanceof PermafrostError && error.code !== 'INTERNAL')
      codes[error.code] = (codes[error.code] ?? 0) + 1;
    else untyped = error;
  }
  if (input % 1024 === 0 && process.memoryUsage.rss() > MOST_BYTES)
    untyped = new Error('more than 2 GiB of memory');
  if (untyped !== undefined) {
    await report({ failed: input, error: String(untyped?.stack ?? untyped) });
    untyped = undefined;
  }
}
note(-1);
await target.tearDown?.(context);
await report({ done: input, codes });
process.disconnect();
