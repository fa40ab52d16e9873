import { z } from 'zod';
import { PermafrostError } from '../../errors/error.js';
import { didYouMean } from '../../errors/message.js';
import { faultOf } from '../../errors/option-error.js';
import type { OptionShape } from '../../errors/option-shape.js';
import { flag } from '../../experiment/model-options.js';
import { optimizerShape } from '../../training/settings.js';
import { taggingLossShape } from '../../training/tagging-loss.js';
import { taggingStoppingShape } from '../../training/tagging-task.js';
import { typedValue } from './setting-values.js';
import type { GivenSetting } from './settings-file.js';

/** Options that `finetune` and a record hold together; on the command line, and for whoever likes, each stands by itself. */
const GROUPS: Readonly<Record<string, OptionShape>> = {
  optimizer: optimizerShape,
  loss: taggingLossShape,
  earlyStopping: taggingStoppingShape,
};

/**
 * Checks settings against the options of a command, and lays them out flat. Later ones win.
 *
 * @param command whose options they are, for the message
 * @throws INVALID_OPTION with the place of the fault, and the option that was likely meant
 */
export function settle(
  given: readonly GivenSetting[],
  shape: OptionShape,
  command: string,
): Record<string, unknown> {
  const settled: Record<string, unknown> = {};
  for (const setting of given) {
    const [group, ...inner] = setting.path as [string, ...string[]];
    const members = Object.hasOwn(GROUPS, group) ? GROUPS[group]! : null;
    if (members === null) {
      place(settled, setting, setting.path, { names: Object.keys(shape), shape, command });
    } else if (inner.length > 0) {
      const names = Object.keys(members).filter((name) => Object.hasOwn(shape, name));
      place(settled, setting, inner, { names, shape, command });
      // Who says how training stops wants it to stop.
      if (group === 'earlyStopping') delete settled.earlyStopping;
    } else if (group === 'earlyStopping' && [false, 'false'].includes(setting.value as never)) {
      settled.earlyStopping = false;
    } else if (typeof setting.value !== 'object' || setting.value === null) {
      const names = Object.keys(members).join(', ');
      throw wrong(setting, `\`${group}\`: expected an object of ${names}`);
    }
  }
  return settled;
}

interface Known {
  names: readonly string[];
  shape: OptionShape;
  command: string;
}

function place(
  settled: Record<string, unknown>,
  setting: GivenSetting,
  [name, ...keys]: readonly string[],
  { names, shape, command }: Known,
): void {
  if (!names.includes(name!)) throw unknown(setting, name!, names, command);
  const schema = shape[name!]!;
  // A value within an option that is a table, such as `classWeights.O`.
  const path = keys.join('.');
  const value =
    keys.length === 0
      ? typedValue(schema, setting.value, setting.isText)
      : { ...(settled[name!] as object), [path]: typedValue(z.number(), setting.value, setting.isText) };
  const result = schema.safeParse(value, { reportInput: true });
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const within = issue.path.length === 0 ? '' : `.${issue.path.join('.')}`;
    throw wrong(setting, `\`${name}${within}\`: ${faultOf(issue)}`);
  }
  // The value as it was given: whoever reads it checks it once more.
  settled[name!] = value;
}

function unknown(
  setting: GivenSetting,
  name: string,
  names: readonly string[],
  command: string,
): PermafrostError {
  const camel = name.replace(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const elsewhere = Object.entries(GROUPS).find(([, members]) => Object.hasOwn(members, camel))?.[0];
  const [group, ...inner] = setting.path as [string, ...string[]];
  const near = inner.length > 0 && group === name ? didYouMean(group, Object.keys(GROUPS)) : null;
  const meant =
    (near && [near, ...inner].join('.')) ??
    didYouMean(camel, names) ??
    (elsewhere && !names.includes(camel) ? `${elsewhere}.${camel}` : null);
  const remedy = meant
    ? `Did you mean '${meant}'?`
    : `"permafrost ${command} --help" has the options, whose names here are those of the flags without dashes: ` +
      `'${names[0]}' for ${flag(names[0]!)}`;
  return wrong(setting, `there is no option '${setting.path.join('.')}'. ${remedy}`);
}

function wrong({ place, path }: GivenSetting, fault: string): PermafrostError {
  const end = /[.?]$/.test(fault) ? '' : '.';
  return new PermafrostError('INVALID_OPTION', `${place}: ${fault}${end}`, { place, option: path.join('.') });
}
