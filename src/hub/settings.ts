import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';

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

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'ON', 'YES', 'TRUE']);

/**
 * Reads the settings from the environment, by the names and rules of Python's huggingface_hub.
 *
 * @throws INVALID_OPTION for an HF_ENDPOINT that is no address.
 */
export async function hubSettings(env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> {
  const home =
    expand(env.HF_HOME) ?? join(expand(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: endpointOf(env.HF_ENDPOINT),
    cacheDirectory: expand(env.HF_HUB_CACHE) ?? expand(env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub'),
    token: await tokenOf(env, home),
    offline: [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some((value) =>
      TRUE_WORDS.has((value ?? '').toUpperCase()),
    ),
  };
}

function endpointOf(value: string | undefined): string {
  const text = value || 'https://huggingface.co';
  if (URL.canParse(text) && /^https?:/.test(text)) return text.replace(/\/+$/, '');
  throw new PermafrostError(
    'INVALID_OPTION',
    `HF_ENDPOINT: expected an address such as https://huggingface.co, got ${JSON.stringify(text)}.`,
    { option: 'HF_ENDPOINT', got: text },
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
