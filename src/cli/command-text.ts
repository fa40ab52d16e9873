import { basename, isAbsolute } from 'node:path';

const PLAIN = /^[\w./:=,@%+-]+$/;

/**
 * The command line for a card or a record that others will read: absolute paths by their last name, since folders may
 * tell who ran it.
 */
export function commandText(args: readonly string[]): string {
  const shown = args.map((arg) => {
    const [, option = '', value = arg] = /^(--[\w-]+=)(.*)$/s.exec(arg) ?? [];
    const name = option + (isAbsolute(value) ? basename(value) : value);
    return PLAIN.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  });
  return ['permafrost', ...shown].join(' ');
}
