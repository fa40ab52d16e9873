const POINTER = 'version https://git-lfs.github.com/spec/';

/** Bytes from the beginning of a file that {@link isLfsPointer} needs. */
export const LFS_POINTER_BYTES = POINTER.length;

/** What is said of a file that is a Git LFS pointer, with the remedy. */
export const LFS_POINTER =
  'is a Git LFS pointer, a note in place of the file itself. Fetch the file: git lfs pull in its repository, or ' +
  'download it again';

/** Whether a file that begins so is what Git puts in place of a large file that was not fetched. */
export function isLfsPointer(beginning: Uint8Array | string): boolean {
  const text =
    typeof beginning === 'string'
      ? beginning
      : new TextDecoder('latin1').decode(beginning.subarray(0, LFS_POINTER_BYTES));
  return text.startsWith(POINTER);
}
