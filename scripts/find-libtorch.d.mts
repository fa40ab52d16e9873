/** One libtorch on this machine. */
export interface FoundLibtorch {
  root: string;
  version: string;
  libraryDir: string;
  cmakePrefix: string;
  /** How it was found: `LIBTORCH`, `installed`, `system` or `python`. */
  source: string;
  cuda: boolean;
  /** Whether it has the C++11 ABI of libstdc++; null where it does not say. */
  cxx11Abi: boolean | null;
}

export interface LibtorchFinding {
  found: FoundLibtorch | null;
  /** Where else it was looked for, and why nothing was taken there. */
  tried: { source: string; where: string; problem: string }[];
}

export function findLibtorch(env?: NodeJS.ProcessEnv): LibtorchFinding;
/** Where packages of this user keep their data. */
export function dataDirectory(env?: NodeJS.ProcessEnv): string;
/** The file that names the libtorch which `permafrost libtorch install` fetched. */
export function selectionFile(env?: NodeJS.ProcessEnv): string;
