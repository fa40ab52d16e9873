import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { buildService, type ServiceOptions } from '../../examples/service/src/server.js';
import { type Sentence, Tagger, type TaggerOptions } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';

export const task = smallTask();

/** What a response holds, of a form that each test knows. */
export type Json = ReturnType<typeof JSON.parse>;

/** A service that listens, its address, and a folder with the model it serves. */
export interface RunningService {
  app: FastifyInstance;
  url: string;
  tagger: Tagger;
  stop(): Promise<void>;
}

/** Saves a model of random weights and gives its folder, which the caller removes. */
export async function makeModel(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'permafrost-service-'));
  const model = await task.createModel();
  await model.save(join(folder, 'base'));
  await model.dispose();
  return folder;
}

export async function startService(
  folder: string,
  options: Partial<ServiceOptions> = {},
  taggerOptions: TaggerOptions = {},
): Promise<RunningService> {
  const baseModel = join(folder, 'base');
  const tagger = await Tagger.load(baseModel, { threads: 1, ...taggerOptions });
  const outputDirectory = join(folder, 'models');
  const app = buildService({ tagger, baseModel, outputDirectory, training: 'open', ...options });
  const url = await app.listen({ port: 0 });
  return { app, url, tagger, stop: () => app.close() };
}

export const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });

/** Sentences as an upload. */
export function conllText(sentences: readonly Sentence[]): string {
  return sentences
    .map(({ words, tags }) => words.map((word, i) => `${word} ${tags[i]}`).join('\n'))
    .join('\n\n')
    .concat('\n');
}

export async function post(url: string, body: unknown): Promise<{ status: number; body: Json }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: text,
  });
  return { status: response.status, body: await response.json() };
}

export async function getJson(url: string): Promise<Json> {
  return (await fetch(url)).json();
}

export interface ServerEvent {
  id: number;
  event: string;
  data: Json;
}

/** Server-sent events of a response, until it ends. */
export async function* serverEvents(response: Response): AsyncGenerator<ServerEvent> {
  let buffer = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    buffer += chunk;
    const blocks = buffer.split('\n\n');
    buffer = blocks.pop()!;
    for (const block of blocks) {
      if (block.startsWith(':')) continue;
      const fields = Object.fromEntries(
        block
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      yield { id: Number(fields.id), event: fields.event!, data: JSON.parse(fields.data!) };
    }
  }
}
