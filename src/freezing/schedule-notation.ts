import { didYouMean } from '../errors/message.js';
import { AUTO_FREEZE } from './auto-freeze.js';
import { GRADUAL } from './gradual.js';
import {
  failNotation,
  type NotationForm,
  readStrategy,
  repaired,
  STRATEGY_NAMES,
  STRATEGY_NOTATIONS,
  splitNotation,
} from './notation.js';
import { PLATEAU } from './plateau.js';
import { constant, type FreezeSchedule, type Freezing, isSchedule } from './schedule.js';

const SCHEDULES = [GRADUAL, PLATEAU, AUTO_FREEZE];

/** Every form that {@link parseFreezing} reads. */
export const FREEZING_NOTATIONS: readonly NotationForm[] = [...STRATEGY_NOTATIONS, ...SCHEDULES];

/** What each notation of a strategy or a schedule begins with. */
export const FREEZING_NAMES: readonly string[] = [
  ...STRATEGY_NAMES,
  ...SCHEDULES.map(({ form }) => splitNotation(form).name),
];

/**
 * Reads a strategy or a schedule from text such as `bottom-up:6` or `plateau:9,6,3,0/1`. What a schedule's notation
 * leaves out is as by default; its `notation` says all.
 *
 * @throws INVALID_PLAN naming the input and the valid notations
 */
export function parseFreezing(text: string): FreezeSchedule {
  const { name, value } = splitNotation(text);
  const fail = (reason: string, meant: string | null): never =>
    failNotation(text, { reason, meant, valid: FREEZING_NOTATIONS });
  const strategy = readStrategy(text, fail);
  if (strategy !== null) return constant(strategy);
  const notation = SCHEDULES.find(({ form }) => splitNotation(form).name === name);
  if (notation === undefined) {
    const meant = didYouMean(name, FREEZING_NAMES);
    const reason = name === '' ? 'it has no name' : `unknown strategy '${name}'`;
    return fail(reason, meant && repaired(meant, value, FREEZING_NOTATIONS));
  }
  return notation.read(value) ?? fail(`expected ${notation.form}: ${notation.values}`, null);
}

/** The schedule that a caller means. @throws INVALID_PLAN for a notation that there is not */
export function scheduleOf(freezing: Freezing): FreezeSchedule {
  if (typeof freezing === 'string') return parseFreezing(freezing);
  return isSchedule(freezing) ? freezing : constant(freezing);
}

/** Whether a text names a schedule, whose plan changes while a model trains. */
export function isScheduleNotation(text: string): boolean {
  const { name } = splitNotation(text);
  return SCHEDULES.some(({ form }) => splitNotation(form).name === name);
}
