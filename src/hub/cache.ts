import { randomBytes } from 'node:crypto';
import { copyFile, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { attemptWrite, writeFileAtomic } from '../io/atomic-write.js';
import { makeDirectory } from '../io/make-directory.js';
import { type HubRepo, isCommit } from './repo.js';

/**
 * The files of one repository in the cache, in the layout of Python's huggingface_hub: `blobs` holds contents by their
 * digest, `snapshots/<commit>` links to them by the paths of the repository, `refs/<revision>` names the commit that a
 * branch stood at.
 */
export class RepoCache {
  readonly directory: string;
  readonly #locks: string;

  constructor(cacheDirectory: string, { type, name }: HubRepo) {
    const folder = [`${type}s`, ...name.split('/')].join('--');
    this.directory = join(cacheDirectory, folder);
    this.#locks = join(cacheDirectory, '.locks', folder);
  }

  snapshot(commit: string): string {
    return join(this.directory, 'snapshots', commit);
  }

  blob(digest: string): string {
    return join(this.directory, 'blobs', digest);
  }

  /** A name of our own: Python's tools lock and write under others, and the two must not write one file. */
  lockFile(digest: string): string {
    return join(this.#locks, `${digest}.permafrost.lock`);
  }

  partFile(digest: string): string {
    return `${this.blob(digest)}.permafrost.incomplete`;
  }

  /** The commit that a revision stood at when it was last asked for, or null. */
  async commitOf(revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.directory, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : null;
  }

  /** @throws WRITE_FAILED */
  async remember(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return;
    await writeFileAtomic(join(this.directory, 'refs', ...revision.split('/')), commit);
  }

  /** Paths of the files of a commit that are in the cache, links without a content left out. */
  async paths(commit: string): Promise<string[]> {
    const root = this.snapshot(commit);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = await Promise.all(
      entries.map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return (await sizeOfFile(path)) === null ? [] : [relative(root, path).replaceAll('\\', '/')];
      }),
    );
    return files.flat().sort();
  }

  /**
   * Gives a blob its path in a snapshot, by a relative link; by a copy where the file system has no links.
   *
   * @throws WRITE_FAILED
   */
  async link(digest: string, commit: string, path: string): Promise<void> {
    const pointer = join(this.snapshot(commit), path);
    const draft = `${pointer}.${randomBytes(6).toString('hex')}.tmp`;
    await attemptWrite(pointer, async () => {
      await makeDirectory(dirname(pointer));
      try {
        await symlink(relative(dirname(pointer), this.blob(digest)), draft).catch(() =>
          copyFile(this.blob(digest), draft),
        );
        await rename(draft, pointer);
      } finally {
        await rm(draft, { force: true });
      }
    });
  }
}

/** Bytes of a file behind links, or null where there is none. */
export async function sizeOfFile(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? found.size : null;
}
