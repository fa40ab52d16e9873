import { PermafrostError } from '../../src/errors/error.js';

/** The typed error that an action throws or rejects with; fails where it throws none or another one. */
export async function thrownBy(action: () => unknown): Promise<PermafrostError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error('expected an error, and none was thrown');
}
