import { type CompletedCommand, everyCommand } from './tree.js';

/** The completion of bash 4.4 and later, which needs nothing else installed. */
export function bashCompletion(root: CompletedCommand): string {
  const commands = everyCommand(root);
  const nested = commands
    .slice(1)
    .map(({ path }) => `'${[path.slice(0, -1).join(' '), path.at(-1)].join(' ')}'`);
  return `# permafrost completion bash
_permafrost() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command='' i
  local IFS=$'\\n'
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${nested.join(' | ')}) command="\${command:+$command }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$command $prev" in
${commands.flatMap(valueCases).join('\n')}
  esac
  case "$command" in
${commands.map(wordCase).join('\n')}
  esac
}

_permafrost_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
  # Behind a colon there is more to type.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
}

_permafrost_paths() {
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}

complete -F _permafrost permafrost
`;
}

function valueCases({ path, options }: CompletedCommand): string[] {
  return options
    .filter(({ takes }) => takes !== 'nothing')
    .map(({ flags, takes, values }) => {
      const patterns = flags.map((flag) => `'${[path.join(' '), flag].join(' ')}'`).join(' | ');
      return `    ${patterns}) ${offer(takes, values)}; return ;;`;
    });
}

function wordCase({ path, options, commands, operands, operandValues }: CompletedCommand): string {
  const named = [...commands.map(({ path }) => path.at(-1)!), ...operandValues];
  const words = [...named, ...options.flatMap(({ flags }) => flags)];
  const offered = offer('anything', words);
  const paths =
    operands === 'directories' ? `[[ $cur == -* ]] || { ${offer('directories', [])}; return; }; ` : '';
  return `    '${path.join(' ')}') ${paths}${offered} ;;`;
}

function offer(takes: string, values: readonly string[]): string {
  if (values.length > 0) return `_permafrost_words $'${values.join('\\n')}'`;
  return takes === 'files' ? '_permafrost_paths -f' : takes === 'directories' ? '_permafrost_paths -d' : ':';
}
