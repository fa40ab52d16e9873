import type { FoundLibtorch } from './find-libtorch.mjs';

export interface SystemLibc {
  name: 'glibc' | 'musl';
  version: string | null;
}

/** The package with the prebuilt engine for one libtorch; `problem` says why it cannot be taken. */
export type Prebuilt =
  | { name: string; directory: string | null; problem: string }
  | {
      name: string;
      directory: string;
      problem: null;
      addon: string;
      /** The addon that opens libraries by their paths. */
      preload: string;
      /** Major version of the CUDA that it was built for; null without CUDA. */
      cuda: number | null;
      /** Paths of the libraries that the engine asks for by name, in the order in which they are opened. */
      libraries: string[];
    };

type Libtorch = Pick<FoundLibtorch, 'version' | 'cuda' | 'libraryDir' | 'cxx11Abi'>;

export const MUSL_PROBLEM: string;
export function systemLibc(
  platform?: string,
  report?: () => { header?: { glibcVersionRuntime?: string } } | null,
  exists?: (path: string) => boolean,
): SystemLibc | null;
export function prebuiltName(
  libtorch: Pick<FoundLibtorch, 'version' | 'cuda'>,
  system?: { platform: string; arch: string },
): string;
export function findPrebuilt(
  libtorch: Libtorch,
  own: { packageRoot: string; version: string; libc?: SystemLibc | null },
): Prebuilt;
export function inspectPrebuilt(
  directory: string,
  libtorch: Libtorch,
  own: { version: string; libc?: SystemLibc | null },
): Prebuilt;
/** Negative where `a` is older. */
export function compareVersions(a: string, b: string): number;
