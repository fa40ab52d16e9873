import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';

/** Where the Hub is, where its files are kept, and who asks. */
export interface HubSettings {
  /** Address of the Hub or of a mirror, without a slash at its end. */
  endpoint: string;
  /** Directory of the cache that Hugging Face's tools share. */
  cacheDirectory: string;
  token: string | null;
  /** Nothing is asked of the network; what is in the cache must do. */
  offline: boolean;
}

const settingsShape = {
  endpoint: z.string().optional(),
  cacheDirectory: z.string().min(1).optional(),
  token: z.string().nullable().optional(),
  offline: z.boolean().optional(),
};

/**
 * Settings of a call, over those of the environment where it leaves them out.
 *
 * @throws INVALID_OPTION
 */
export async function settingsOf(given: Partial<HubSettings> | undefined): Promise<HubSettings> {
  const { endpoint, cacheDirectory, token, offline } = parseOptions(
    z.strictObject(settingsShape),
    given ?? {},
    'settings',
  );
  const usual = await hubSettings();
  return {
    endpoint: endpoint === undefined ? usual.endpoint : endpointOf(endpoint, '`endpoint`'),
    cacheDirectory: cacheDirectory ?? usual.cacheDirectory,
    token: token === undefined ? usual.token : checkedToken(token, '`token`'),
    offline: offline ?? usual.offline,
  };
}

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'ON', 'YES', 'TRUE']);

/**
 * Reads the settings from the environment, by the names and rules of Python's huggingface_hub.
 *
 * @throws INVALID_OPTION for an HF_ENDPOINT that is no address, or a token that cannot be sent.
 */
export async function hubSettings(env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> {
  const home =
    expand(env.HF_HOME) ?? join(expand(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || 'https://huggingface.co', 'HF_ENDPOINT'),
    cacheDirectory: expand(env.HF_HUB_CACHE) ?? expand(env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub'),
    token: checkedToken(await tokenOf(env, home), 'HF_TOKEN'),
    offline: [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some((value) =>
      TRUE_WORDS.has((value ?? '').toUpperCase()),
    ),
  };
}

function endpointOf(text: string, option: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain =
    url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}` === '';
  if (isPlain) return text.replace(/#.*$/, '').replace(/\/+$/, '');
  throw new PermafrostError(
    'INVALID_OPTION',
    `${option}: expected an address such as https://huggingface.co, got ${JSON.stringify(text)}.`,
    { option: option.replaceAll('`', ''), got: text },
  );
}

/** A token becomes a header; what cannot be one is not shown. */
function checkedToken(token: string | null, option: string): string | null {
  if (token === null || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new PermafrostError(
    'INVALID_OPTION',
    `${option}: expected a token of printable characters without spaces, got ${token.length} characters with others.`,
    { option: option.replaceAll('`', '') },
  );
}

async function tokenOf(env: NodeJS.ProcessEnv, home: string): Promise<string | null> {
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given) return given;
  const file = expand(env.HF_TOKEN_PATH) ?? join(home, 'token');
  // Nobody must log in: without the file there is no token.
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim() || null;
}

function expand(path: string | undefined): string | undefined {
  if (!path) return undefined;
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}
