import type { LibtorchFinding } from './find-libtorch.mjs';

/** What a native build would use. */
export interface Toolchain {
  libtorch: LibtorchFinding;
  cmake: string | null;
  compiler: string | null;
  missing: string[];
}

export const PROJECT_ROOT: string;
/** What to do where there is no engine. */
export const REMEDY: string;
export function inspectToolchain(env?: NodeJS.ProcessEnv): Toolchain;
