import { PermafrostError } from '../errors/error.js';

export interface HubRepo {
  type: 'model' | 'dataset';
  /** `owner/name`, or `name` for the few that have no owner. */
  name: string;
  /** Branch, tag, commit or `refs/pr/N`. */
  revision: string;
}

const NAME = /^(?:[\w-][\w.-]*\/)?[\w-][\w.-]{0,95}$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a text can be the name of a repository on the Hub, perhaps with `@revision`. */
export function isRepoName(text: string): boolean {
  const [name, revision] = splitRevision(text);
  return NAME.test(name) && !/--|\.\.|\.git$/.test(name) && isRevision(revision);
}

/**
 * Reads `owner/name` or `owner/name@revision`.
 *
 * @throws INVALID_OPTION
 */
export function parseRepo(text: string, type: HubRepo['type']): HubRepo {
  if (!isRepoName(text)) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${type}: expected a name as huggingface.co has it, such as owner/name or owner/name@revision, got ` +
        `${JSON.stringify(text)}.`,
      { option: type, got: text },
    );
  }
  const [name, revision] = splitRevision(text);
  return { type, name, revision: revision ?? 'main' };
}

/** Whether a revision is a commit, which never comes to mean other files. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

function splitRevision(text: string): [name: string, revision: string | undefined] {
  const at = text.indexOf('@');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

// A revision becomes a path in the cache.
function isRevision(revision: string | undefined): boolean {
  return revision === undefined || (/^[\w][\w./-]*$/.test(revision) && !revision.split('/').includes('..'));
}
