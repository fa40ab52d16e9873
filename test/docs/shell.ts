/** One program with its arguments, as a shell would start it. */
export interface ShellCommand {
  program: string;
  args: string[];
}

/** The programs that lines of shell start: on both sides of pipes, without comments and variables before them. */
export function shellCommands(code: string): ShellCommand[] {
  return code
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => split(line))
    .flatMap((words) => {
      const start = words.findIndex((word) => !/^[A-Z_]+=/.test(word) && word !== 'npx');
      return start === -1 ? [] : [{ program: words[start]!, args: words.slice(start + 1) }];
    });
}

/** Words of each command of a line, up to its comment; files of redirections are left out. */
function split(line: string): string[][] {
  const commands: string[][] = [[]];
  let isFile = false;
  for (const [token] of line.matchAll(/"[^"]*"|'[^']*'|#.*|\|\||&&|[|;<>]|(?:(?![|;<>\s]|&&).)+/g)) {
    if (token.startsWith('#')) break;
    if (/^(\|\||&&|[|;])$/.test(token)) commands.push([]);
    else if (!isFile && !/^[<>]$/.test(token)) commands.at(-1)!.push(token.replace(/^(["'])(.*)\1$/, '$2'));
    isFile = /^[<>]$/.test(token);
  }
  return commands;
}
