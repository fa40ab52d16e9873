import type { Completed, CompletedCommand, CompletedOption } from './tree.js';

/** The completion of zsh, for a file \`_permafrost\` in \`$fpath\` or to be sourced. */
export function zshCompletion(root: CompletedCommand): string {
  return `#compdef permafrost
# permafrost completion zsh
${functions(root).join('\n')}
# Sourced, it registers itself; found in $fpath, it is called.
if [[ $funcstack[1] == _permafrost ]]; then _permafrost "$@"; else compdef _permafrost permafrost; fi
`;
}

function functions(command: CompletedCommand): string[] {
  return [functionOf(command), ...command.commands.flatMap(functions)];
}

function functionOf(command: CompletedCommand): string {
  const { options, commands, operands, operandValues } = command;
  const specs = options.map((option) => `    ${quoted(specOf(option))} \\`);
  if (commands.length === 0) {
    const operand =
      operands === 'nothing' ? [] : [`    ${quoted(`*: :${actionOf(operands, operandValues)}`)} \\`];
    return [`${nameOf(command)}() {`, '  _arguments -s \\', ...specs, ...operand, '    && return', '}'].join(
      '\n',
    );
  }
  const named = commands.map(({ path, description }) => quoted(`${path.at(-1)!}:${description}`));
  const cases = commands.map((inner) => `        ${inner.path.at(-1)!}) ${nameOf(inner)} ;;`);
  return [
    `${nameOf(command)}() {`,
    '  local curcontext=$curcontext state line',
    '  typeset -A opt_args',
    '  _arguments -C \\',
    ...specs,
    "    '1: :->command' '*:: :->rest' && return",
    '  case $state in',
    '    command)',
    '      local -a commands=(',
    ...named.map((name) => `        ${name}`),
    '      )',
    '      _describe -t commands command commands ;;',
    '    rest)',
    '      case $words[1] in',
    ...cases,
    '      esac ;;',
    '  esac',
    '}',
  ].join('\n');
}

function nameOf({ path }: CompletedCommand): string {
  return ['_permafrost', ...path].join('_').replaceAll('-', '_');
}

function specOf({ flags, description, takes, values, isRepeated }: CompletedOption): string {
  const text = description.replace(/[\\[\]:]/g, (character) => `\\${character}`);
  const value = takes === 'nothing' ? '' : `: :${actionOf(takes, values)}`;
  // Of two spellings, the long one is what people read.
  return `${isRepeated ? '*' : ''}${flags.at(-1)!}[${text}]${value}`;
}

function actionOf(takes: Completed, values: readonly string[]): string {
  if (values.length > 0) return `(${values.map((value) => value.replaceAll(':', '\\:')).join(' ')})`;
  return takes === 'files' ? '_files' : takes === 'directories' ? '_files -/' : ' ';
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
