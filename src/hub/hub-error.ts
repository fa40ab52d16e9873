import { PermafrostError } from '../errors/error.js';
import type { StatusError } from '../io/http.js';
import type { HubRepo } from './repo.js';

/** Says of a status of the Hub what it means for a repository, and what to do. */
export function hubStatusError(
  repo: HubRepo,
  endpoint: string,
  hasToken: boolean,
  path?: string,
): StatusError {
  const { type, name, revision } = repo;
  const page = `${endpoint}/${type === 'dataset' ? 'datasets/' : ''}${name}`;
  return (response) => {
    const { status } = response;
    const reason = response.headers.get('x-error-code');
    const details = { repo: name, type, revision, status, ...(path !== undefined && { path }) };
    const denied = (message: string) => new PermafrostError('ACCESS_DENIED', message, details);
    const missing = (message: string) => new PermafrostError('REMOTE_NOT_FOUND', message, details);
    if (reason === 'GatedRepo') {
      return denied(
        `${type} ${name} is gated: accept its terms at ${page}` +
          (hasToken ? ' with the account of your token.' : ', then set HF_TOKEN to a token of that account.'),
      );
    }
    if (status === 401) {
      return hasToken
        ? denied(
            `${type} ${name}: the Hub does not accept your token. Make a new one and set HF_TOKEN to it.`,
          )
        : denied(
            `${type} ${name}: it does not exist, or it is private. Check the name at ${page}; for a private one set ` +
              'HF_TOKEN.',
          );
    }
    if (status === 403)
      return denied(`${type} ${name}: your token may not read it. Ask its owner, see ${page}.`);
    if (status !== 404) return null;
    if (reason === 'RevisionNotFound') {
      return missing(
        `${type} ${name} has no revision ${revision}. Its branches and tags are at ${page}/tree/main.`,
      );
    }
    if (path !== undefined && reason !== 'RepoNotFound') {
      return missing(
        `${type} ${name} has no file ${path} at ${revision}. Its files are at ${page}/tree/${revision}.`,
      );
    }
    return missing(
      `There is no ${type} ${name} at ${endpoint}. Check the name; owner/name is the usual form.`,
    );
  };
}
