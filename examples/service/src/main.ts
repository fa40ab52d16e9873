import { parseArgs } from 'node:util';
import { Tagger } from 'permafrost';
import { trainingAccess } from './auth.js';
import { buildService } from './server.js';

/** Time for requests that are under way when the service is told to stop. */
const GRACE_MS = 20_000;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    base: { type: 'string' },
    output: { type: 'string', default: 'models' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '3000' },
    threads: { type: 'string', default: '0' },
    log: { type: 'boolean', default: false },
    'open-training': { type: 'boolean', default: false },
  },
});
if (values.model === undefined) {
  console.error('Give --model DIR, a token classifier. Jobs start from --base DIR, or from the same.');
  process.exit(2);
}

const threads = Number(values.threads);
const training = trainingAccess(process.env.PERMAFROST_SERVICE_TOKEN, values['open-training']);
if (training === 'off') {
  console.log(
    'It tags and does not train: set PERMAFROST_SERVICE_TOKEN, or let everyone with --open-training.',
  );
}
const service = buildService({
  tagger: await Tagger.load(values.model, { threads }),
  baseModel: values.base ?? values.model,
  outputDirectory: values.output,
  training,
  trainingThreads: threads,
  logger: values.log,
});
let isStopping = false;
const stop = () => {
  // Asked twice, or too slow: whoever asks does not want to wait.
  if (isStopping) process.exit(1);
  isStopping = true;
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  service.close().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
console.log(`Listening at ${await service.listen({ host: values.host, port: Number(values.port) })}`);
