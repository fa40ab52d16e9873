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

/** The same where something is written: what the Hub itself says of it is shown. */
export function hubWriteError(repo: HubRepo, endpoint: string): StatusError {
  return (response) => {
    const { status } = response;
    const { name, type, revision } = repo;
    const details = { repo: name, type, revision, status };
    // Whatever comes from a server is shown short and without control characters.
    const reason = response.headers
      .get('x-error-message')
      ?.replace(/[^\x20-\x7e]+/g, ' ')
      .slice(0, 300);
    const said = reason ? ` The Hub says: ${reason}` : '';
    if (status === 401 || status === 403) {
      return new PermafrostError(
        'ACCESS_DENIED',
        `${type} ${name}: your token may not write there. Set HF_TOKEN to one with write access to ${name.split('/')[0]} ` +
          `(${endpoint}/settings/tokens).${said}`,
        details,
      );
    }
    if (status === 404) {
      return new PermafrostError(
        'REMOTE_NOT_FOUND',
        `${endpoint} has no ${type} ${name} at ${revision} that could be written to. Check name and revision.${said}`,
        details,
      );
    }
    if (status < 400 || status >= 500 || status === 408 || status === 429) return null;
    return new PermafrostError(
      'NETWORK_FAILED',
      `${type} ${name}: the Hub refused what was sent (${status}).${said || ' It does not say why.'}`,
      details,
    );
  };
}
