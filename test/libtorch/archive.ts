import { ZipFile } from 'yazl';

/** A file of an archive: its content, or content and Unix mode. */
export type ArchiveFiles = Record<string, string | { content: string; mode: number }>;

export const SYMBOLIC_LINK = 0o120777;

/** A zip archive in memory. */
export async function zipOf(files: ArchiveFiles, { zip64 = false } = {}): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, file] of Object.entries(files)) {
    const { content, mode } = typeof file === 'string' ? { content: file, mode: 0o100644 } : file;
    zip.addBuffer(Buffer.from(content), name, { mode, forceZip64Format: zip64 });
  }
  zip.end({ forceZip64Format: zip64, comment: '' });
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What the build looks for in a libtorch, and bytes that no compression makes small. */
export function smallLibtorch(version = '9.9.9', build = 'cpu'): ArchiveFiles {
  const numbers = version.split('.');
  const lines = ['MAJOR', 'MINOR', 'PATCH'].map((part, i) => `#define TORCH_VERSION_${part} ${numbers[i]}`);
  let noise = '';
  for (let i = 0, x = 1; i < 40_000; i++) {
    x = (x * 48271) % 2147483647;
    noise += x.toString(36);
  }
  return {
    'libtorch/build-version': `${version}+${build}\n`,
    'libtorch/include/torch/csrc/api/include/torch/version.h': lines.join('\n'),
    'libtorch/lib/libc10.so': 'c10',
    'libtorch/lib/libtorch.so': 'torch',
    'libtorch/lib/libtorch_cpu.so': noise,
    'libtorch/lib/libgomp.so.1': { content: 'libc10.so', mode: SYMBOLIC_LINK },
    'libtorch/bin/protoc': { content: '#!/bin/sh\n', mode: 0o100755 },
  };
}
