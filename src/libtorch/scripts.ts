/** What scripts/find-libtorch.mjs tells. */
export interface LibtorchFinding {
  found: { root: string; version: string; source: string; cuda: boolean } | null;
  tried: { source: string; where: string; problem: string }[];
}

/** What scripts/toolchain.mjs tells. */
export interface Toolchain {
  libtorch: LibtorchFinding;
  cmake: string | null;
  compiler: string | null;
  missing: string[];
}

/** Scripts of the package that work before anything is compiled, and so are plain JavaScript outside of src. */
interface Scripts {
  findLibtorch(env?: NodeJS.ProcessEnv): LibtorchFinding;
  /** Where packages of this user keep their data. */
  dataDirectory(env?: NodeJS.ProcessEnv): string;
  /** The file that names the libtorch which `permafrost libtorch install` fetched. */
  selectionFile(env?: NodeJS.ProcessEnv): string;
  inspectToolchain(env?: NodeJS.ProcessEnv): Toolchain;
}

/** Path of a script of the package. */
export function scriptFile(name: string): URL {
  return new URL(`../../scripts/${name}`, import.meta.url);
}

export async function loadScripts(): Promise<Scripts> {
  // Variables keep the compiler from looking for types of files that lie outside of src.
  const [find, toolchain] = [scriptFile('find-libtorch.mjs').href, scriptFile('toolchain.mjs').href];
  return { ...(await import(find)), ...(await import(toolchain)) } as Scripts;
}
