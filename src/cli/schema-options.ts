import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { parseOptions } from '../errors/option-error.js';
import type { OptionShape } from '../errors/option-shape.js';
import { flag } from '../experiment/model-options.js';

// Options are declared once, as schemas with a description; here they become flags, and flags become options again.

/** Settings of a file and of `--set`, by the names of the options, for those that have no flag on the command line. */
export const SETTINGS = Symbol('settings');

/** Flags as commander hands them over, by their names in camel case. */
export type Flags = Record<string, unknown> & { [SETTINGS]?: Readonly<Record<string, unknown>> };

/** Gives a command the flags of all options of a shape that have a description. @param group heading in the help */
export function addShape(command: Command, shape: OptionShape, group?: string): Command {
  if (group !== undefined) command.optionsGroup(`${group}:`);
  for (const [name, schema] of Object.entries(shape)) {
    const option = optionOf(name, schema);
    if (option !== null) command.addOption(option);
  }
  return command;
}

/** What of a shape the flags say; the shape's schema checks the values. */
export function optionsOf(shape: OptionShape, flags: Flags): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(shape)) {
    const { negatedBy } = formOf(schema);
    if (negatedBy !== undefined) {
      if (flags[negatedBy] === true) given[name] = false;
    } else if (isSwitchOff(schema)) {
      if (flags[name] === false) given[name] = false;
    } else if (flags[name] !== undefined) {
      given[name] = flags[name];
    }
    const setting = flags[SETTINGS]?.[name];
    if (!Object.hasOwn(given, name) && setting !== undefined) given[name] = setting;
  }
  return given;
}

/** The same checked, with the default of each option that was not given. @throws INVALID_OPTION */
export function checkedOptions<Shape extends OptionShape>(
  shape: Shape,
  flags: Flags,
  command: string,
): z.output<z.ZodObject<Shape, z.core.$strict>> {
  return parseOptions(z.strictObject(shape), optionsOf(shape, flags), command);
}

interface Form {
  description?: string;
  /** What stands for the value in the help; `size` takes units of bytes. */
  value?: string;
  /** Name of the flag that says false, where that is not `no-` and the option's name. */
  negatedBy?: string;
  /** Whether the flag is `no-` and the option's name, and says false. */
  isSwitchOff?: boolean;
  /** Whether the flag may come several times, once a value. */
  isRepeated?: boolean;
  /** Whether the flag may stand without a value, and says true then. */
  isValueOptional?: boolean;
  /** Values that a completion offers, where there may be others. */
  suggestions?: readonly string[];
  /** The default, where something else such as a preset may have another one. */
  usually?: unknown;
}

const suggested = new WeakMap<Option, readonly string[]>();

/** Values that an option is likely to have: all where it is a choice, else some. */
export function suggestionsOf(option: Option): readonly string[] {
  return option.argChoices ?? suggested.get(option) ?? [];
}

/** Makes an option offer values without refusing others. */
export function suggest(option: Option, values: readonly string[]): Option {
  suggested.set(option, values);
  return option;
}

function optionOf(name: string, schema: z.ZodType): Option | null {
  const option = flagOf(name, schema);
  const { suggestions } = formOf(schema);
  return option !== null && suggestions !== undefined ? suggest(option, suggestions) : option;
}

function flagOf(name: string, schema: z.ZodType): Option | null {
  const { description, value, negatedBy, isRepeated, isValueOptional } = formOf(schema);
  if (description === undefined) return null;
  if (isRepeated) return new Option(`${flag(name)} <${value}>`, description).argParser<string[]>(collect);
  if (negatedBy !== undefined) return new Option(flag(negatedBy), description);
  if (isSwitchOff(schema)) return new Option(flag(name).replace('--', '--no-'), description);
  const inner = unwrap(schema);
  const { type, entries } = inner.def as { type: string; entries?: Record<string, string> };
  const byDefault = defaultText(schema);
  const help =
    byDefault === null || description.includes('(default:')
      ? description
      : `${description} (default: ${byDefault})`;
  switch (type) {
    case 'boolean':
      return new Option(flag(name), description);
    case 'enum':
      return withReasons(
        new Option(`${flag(name)} <${value ?? 'choice'}>`, help).choices(Object.values(entries!)),
        inner,
      );
    case 'number': {
      const isWhole = (inner as z.ZodNumber).format?.includes('int') === true;
      if (value === 'size') return new Option(`${flag(name)} <size>`, help).argParser(byteSize);
      const [placeholder, parser] = isWhole ? ['n', wholeNumber] : ['x', realNumber];
      return new Option(
        `${flag(name)} ${placeholderOf(value ?? placeholder, isValueOptional)}`,
        help,
      ).argParser<number>(parser);
    }
    case 'union':
      return new Option(`${flag(name)} <${value ?? 'column'}>`, help).argParser(columnOf);
    case 'tuple':
      return new Option(`${flag(name)} <${value ?? 'x,y'}>`, help).argParser(realNumbers);
    case 'array':
      return new Option(`${flag(name)} <${value ?? 'values'}...>`, help);
    default:
      return new Option(`${flag(name)} <${value ?? 'value'}>`, help);
  }
}

/** Has a choice refuse a value in the words that its schema has for just that one, where it has any. */
function withReasons(option: Option, schema: z.ZodType): Option {
  const { error } = schema.def as unknown as { error?: (issue: { input: unknown }) => unknown };
  const byChoices = option.parseArg;
  if (error === undefined || byChoices === undefined) return option;
  return option.argParser((text, earlier) => {
    const reason = error({ input: text });
    if (typeof reason === 'string') throw new InvalidArgumentError(reason);
    return byChoices(text, earlier);
  });
}

function placeholderOf(value: string, isOptional = false): string {
  return isOptional ? `[${value}]` : `<${value}>`;
}

function formOf(schema: z.ZodType): Form {
  return (schema.meta() ?? {}) as Form;
}

/** Whether `false` is all that an option can say, or all that a flag has to. */
function isSwitchOff(schema: z.ZodType): boolean {
  if (formOf(schema).isSwitchOff) return true;
  const { type, values } = unwrap(schema).def as { type: string; values?: unknown[] };
  return type === 'literal' && values?.length === 1 && values[0] === false;
}

function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType, out } = schema.def as { innerType?: z.ZodType; out?: z.ZodType };
  const inner = innerType ?? out;
  return inner ? unwrap(inner) : schema;
}

/** The default of an option, or the one that it usually has; null where it has none, or has to say that it is off. */
function defaultText(schema: z.ZodType): string | null {
  const { defaultValue = formOf(schema).usually } = schema.def as { defaultValue?: unknown };
  if (defaultValue === undefined || typeof defaultValue === 'boolean') return null;
  const isSmall = typeof defaultValue === 'number' && defaultValue > 0 && defaultValue < 1e-3;
  return isSmall ? defaultValue.toExponential() : String(defaultValue);
}

/** Parser of a flag that may be repeated, for commander. */
export function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

/** Parser of a column, which is a number or a name. */
export function columnOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** Parser of a non-negative whole number, for commander. */
export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

/** Parser of a number of bytes such as `512MB`; a unit is a power of 1000, or of 1024 where it has an i. */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('expected a number of bytes such as 512MB or 4GiB');
  const power = match[2] === undefined ? 0 : 'kmgt'.indexOf(match[2].toLowerCase()) + 1;
  return Math.round(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}

/** Parser of numbers between commas, for commander. */
function realNumbers(text: string): number[] {
  return text.split(',').map(realNumber);
}

/** Parser of a number, for commander. */
export function realNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}
