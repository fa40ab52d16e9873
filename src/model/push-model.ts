import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { type Push, type PushOptions, pushFiles } from '../hub/push.js';
import { parseRepo } from '../hub/repo.js';
import type { HubSettings } from '../hub/settings.js';
import { TOKENIZER_FILES } from '../hub/tokenizer-files.js';
import { readConfigFile } from './config.js';
import { missingWeights } from './missing-files.js';

/** What of a push the command line has flags for, too. */
export const pushShape = {
  /** Whether a repository that is made is private; one that is there stays as it is. @default false */
  private: z.boolean().default(false).describe('make the repository private, where it is not there yet'),
  /** Branch to write to, made where it is not there. @default 'main' */
  revision: z
    .string()
    .min(1)
    .optional()
    .describe('branch to write to, made where it is not there (default: main)'),
  /** First line of the commit. */
  message: z
    .string()
    .min(1)
    .max(500)
    .default('Upload a token classifier with permafrost')
    .describe('first line of the commit'),
  /** Tells what would be sent, and sends nothing. @default false */
  dryRun: z.boolean().default(false).describe('tell what would be sent, and send nothing'),
};

const isObject = (value: unknown) => typeof value === 'object' && value !== null;
const isFunction = (value: unknown) => typeof value === 'function';

const schema = z.strictObject({
  ...pushShape,
  /** Directory of the model. */
  model: z.string().min(1),
  /** `owner/name` of the repository, which is made where it is not there. */
  to: z.string(),
  /** Which Hub, and who writes. @default from the environment: HF_ENDPOINT, HF_TOKEN or the token file */
  settings: z.custom<Partial<HubSettings>>(isObject).optional(),
  /** Called while large files go out. */
  onProgress: z.custom<NonNullable<PushOptions['onProgress']>>(isFunction).optional(),
  /** Ends the push; without its commit the repository is as it was. */
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
  /** How often and how soon a request is repeated that may go well another time. */
  retry: z.custom<NonNullable<PushOptions['retry']>>(isObject).optional(),
});

/** What {@link pushModel} sends, and where. */
export interface PushModelOptions extends z.input<typeof schema> {}

/** Files at the top of a model's directory that belong to it: weights, card, licence, configuration, tokenizer. */
const OWN_FILES =
  /^(README\.md|LICEN[CS]E(\.\w+)?|config\.json|model\.safetensors(\.index\.json)?|model-\d+-of-\d+\.safetensors)$/;
/** Those of ONNX graphs, which lie in a directory of their own. */
const GRAPH_FILES = /\.onnx(_data)?$/;

/**
 * Uploads a model with its card to a repository of the Hub, by one commit. Of the directory the model's own files go
 * there and no others: weights, configuration, tokenizer, README.md, licence, ONNX graphs.
 *
 * @throws FILE_NOT_FOUND for a directory without a model, WEIGHTS_FORMAT; INVALID_OPTION for what cannot be a name;
 *   ACCESS_DENIED (also without a token), NETWORK_FAILED, REMOTE_NOT_FOUND, OFFLINE; `signal.reason`
 */
export async function pushModel(options: PushModelOptions): Promise<Push> {
  const { model, to, revision, settings, onProgress, signal, retry, ...rest } = parseOptions(
    schema,
    options,
    'pushModel',
  );
  if (!to.includes('/')) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `pushModel: \`to\`: expected owner/name, got ${JSON.stringify(to)}. The owner is an account or an organization.`,
      { where: 'pushModel', option: 'to', got: to },
    );
  }
  const repo = parseRepo(revision === undefined ? to : `${to}@${revision}`, 'model');
  return pushFiles(repo, await modelFiles(model), {
    ...rest,
    ...(settings && { settings }),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
    ...(retry && { retry }),
  });
}

/** Paths of a model's files on disk by their paths in its repository. */
async function modelFiles(directory: string): Promise<Map<string, string>> {
  // Also says what is wrong with the directory.
  await readConfigFile(join(directory, 'config.json'));
  const names = (await readdir(directory)).filter(
    (name) => OWN_FILES.test(name) || TOKENIZER_FILES.includes(name),
  );
  const graphs = (await readdir(join(directory, 'onnx')).catch(() => [])).filter((name) =>
    GRAPH_FILES.test(name),
  );
  const paths = [...names, ...graphs.map((name) => `onnx/${name}`)].sort();
  if (!paths.some((path) => /\.(safetensors|onnx)$/.test(path))) throw missingWeights(directory);
  return new Map(paths.map((path) => [path, join(directory, path)]));
}
