import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type FoundLibtorch, findLibtorch, type LibtorchFinding } from '../../scripts/find-libtorch.mjs';
import { findPrebuilt, inspectPrebuilt, type Prebuilt, type SystemLibc } from '../../scripts/prebuilt.mjs';

/** A prebuilt addon and what must be open before it loads. */
export interface PrebuiltAddon {
  preload: string;
  libraries: string[];
  cuda: number | null;
  /** Root of the libtorch that it is given. */
  root: string;
}

/** A place where an addon may be; `problem` says why it is not taken. */
export interface AddonFile {
  path: string;
  problem: string | null;
  prebuilt: PrebuiltAddon | null;
}

export interface AddonSearch {
  packageRoot: string;
  libc: () => SystemLibc | null;
  env?: NodeJS.ProcessEnv;
  find?: (env: NodeJS.ProcessEnv) => LibtorchFinding;
}

const FILE = 'permafrost.node';

/**
 * The addons that may be loaded, in their order. libtorch, which takes a moment to find, is looked for only where
 * nothing was built here.
 */
export function* addonFiles({
  packageRoot,
  libc,
  env = process.env,
  find = findLibtorch,
}: AddonSearch): Generator<AddonFile> {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const named = env.PERMAFROST_ADDON;
  if (named) {
    const path = resolve(named);
    if (!existsSync(path)) yield { path, problem: 'no such file', prebuilt: null };
    else if (!existsSync(join(dirname(path), 'permafrost_preload.node')))
      yield { path, problem: null, prebuilt: null };
    else
      yield prebuiltFile(find(env), (libtorch) =>
        inspectPrebuilt(dirname(path), libtorch, { version, libc: libc() }),
      );
    return;
  }
  for (const directory of ['build/Release', 'build/Debug']) {
    const path = join(packageRoot, directory, FILE);
    yield { path, problem: existsSync(path) ? null : 'no such file', prebuilt: null };
  }
  yield prebuiltFile(find(env), (libtorch) => findPrebuilt(libtorch, { packageRoot, version, libc: libc() }));
}

function prebuiltFile(
  { found, tried }: LibtorchFinding,
  search: (libtorch: FoundLibtorch) => Prebuilt,
): AddonFile {
  if (found === null) {
    const places = tried.map(({ where, problem }) => `${where}: ${problem}`).join('; ');
    return { path: 'a prebuilt engine', problem: `no libtorch was found (${places})`, prebuilt: null };
  }
  const prebuilt = search(found);
  if (prebuilt.problem !== null) return { path: prebuilt.name, problem: prebuilt.problem, prebuilt: null };
  const { addon, preload, libraries, cuda } = prebuilt;
  return { path: addon, problem: null, prebuilt: { preload, libraries, cuda, root: found.root } };
}
