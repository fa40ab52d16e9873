import { basename } from 'node:path';
import { PermafrostError } from '../errors/error.js';

/** A tokenizer file that is not what it should be. */
export function malformed(file: string, message: string): PermafrostError {
  return new PermafrostError(
    'DATA_FORMAT',
    `${file}: ${message}. Take the ${basename(file)} that Hugging Face's tools write.`,
    { file },
  );
}

/** A tokenizer that is sound but of a kind that is not computed here. */
export function unsupported(file: string, got: string, expected: string): PermafrostError {
  return new PermafrostError('UNSUPPORTED_MODEL', `${file}: expected ${expected}, got ${got}.`, {
    file,
    got,
  });
}
