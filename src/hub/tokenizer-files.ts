import { isHere, orNotHere } from './locate.js';
import { parseRepo } from './repo.js';
import { type HubOptions, openSnapshot } from './snapshot.js';

/** Files that describe a tokenizer; a repository has some of them. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'sentencepiece.bpe.model',
  'spiece.model',
  'spm.model',
];

/**
 * Finds what a person calls a tokenizer: a file or a directory that is there, else the tokenizer of a model of the Hub,
 * whose files alone are fetched.
 *
 * @returns the path itself where it can be no name of the Hub; whoever reads it says that it is not there.
 * @throws INVALID_OPTION for what cannot be a name; NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, HASH_MISMATCH,
 *   WRITE_FAILED, OFFLINE; `signal.reason`
 */
export async function locateTokenizer(tokenizer: string, hub: HubOptions = {}): Promise<string> {
  // A file's name is never meant as a model's.
  if (/\.(?:txt|json|model)$/.test(tokenizer) || (await isHere(tokenizer))) return tokenizer;
  return orNotHere(tokenizer, async () => {
    const snapshot = await openSnapshot(parseRepo(tokenizer, 'model'), hub);
    for (const file of TOKENIZER_FILES) if (snapshot.paths.includes(file)) await snapshot.get(file);
    return snapshot.directory;
  });
}
