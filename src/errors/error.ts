/** Every code that a {@link PermafrostError} can carry. Codes never change their meaning. */
export const ERROR_CODES = [
  'INVALID_OPTION',
  'INVALID_BATCH',
  'INVALID_PLAN',
  'DATA_FORMAT',
  'WEIGHTS_FORMAT',
  'WEIGHTS_MISMATCH',
  'UNSUPPORTED_MODEL',
  'LABEL_MISMATCH',
  'FILE_NOT_FOUND',
  'WRITE_FAILED',
  'LOCKED',
  'RUN_MISMATCH',
  'NETWORK_FAILED',
  'ACCESS_DENIED',
  'REMOTE_NOT_FOUND',
  'HASH_MISMATCH',
  'OFFLINE',
  'DEVICE_UNAVAILABLE',
  'OUT_OF_MEMORY',
  'NON_FINITE',
  'QUEUE_FULL',
  'DISPOSED',
  'RANK_FAILED',
  'RANKS_DIVERGED',
  'ADDON_MISSING',
  'ADDON_MISMATCH',
  'INTERNAL',
] as const;

/** A code of a {@link PermafrostError}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The one error class of this package; `code` is stable, `details` holds the facts as fields. */
export class PermafrostError extends Error {
  override readonly name = 'PermafrostError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
