/** The one command that makes the engine anew: it lets the package's install script run, and runs it. */
export function rebuildCommand(packageRoot?: string, env?: NodeJS.ProcessEnv): string;
