import { PermafrostError } from '../errors/error.js';
import type { NotationForm } from './notation.js';
import type { FreezeSchedule } from './schedule.js';

/** How a schedule is written. */
export interface ScheduleForm extends NotationForm {
  /** What its letters stand for. */
  values: string;
  /** The schedule of what follows the name and a colon, null where that is nothing; null where it does not fit the form. */
  read(value: string | null): FreezeSchedule | null;
}

/**
 * Checks a number of a schedule.
 *
 * @param to the highest that makes sense; beyond 9999 a number is a slip of the keyboard.
 * @throws INVALID_PLAN
 */
export function checkScheduleNumber(
  schedule: string,
  name: string,
  value: number,
  { from, to = 9999, whole = true }: { from: number; to?: number; whole?: boolean },
): void {
  if (typeof value === 'number' && value >= from && value <= to && (!whole || Number.isInteger(value)))
    return;
  throw new PermafrostError(
    'INVALID_PLAN',
    `${schedule}: \`${name}\`: expected ${whole ? 'a whole number' : 'a number'} from ${from} to ${to}, got ${value}.`,
    { strategy: schedule, where: name, got: value },
  );
}
