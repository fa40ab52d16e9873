// Prepares package.json for a release: the engines that an installation brings along as optional dependencies, and the
// repository that provenance is checked against. Run by the workflow; the clone itself depends on no engine.
//
//   node scripts/release.mjs --engines DIR [--repository https://...]
//
// DIR holds the tarballs of `npm run prebuild`. Each of them is published; those of BUNDLED are depended on. npm picks
// by platform, but cannot by the libtorch that is there, and so a platform's engines all come: six at 2 MB each.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROJECT_ROOT } from './toolchain.mjs';

/** Debian 12's libtorch, Debian 13's, the one that "permafrost libtorch install" fetches, and the newest that is known. */
const BUNDLED = ['1.13-cpu', '2.6-cpu', '2.11-cpu', '2.11-cuda', '2.14-cpu', '2.14-cuda'];

/** The package that a tarball of `npm run prebuild` holds. */
export function packageOfTarball(file, version) {
  const match = /^permafrost-(linux-\w+-libtorch-(\d+\.\d+-(?:cpu|cuda)))-(.+)\.tgz$/.exec(file);
  if (match === null || match[3] !== version) return null;
  return { name: `@permafrost/${match[1]}`, kind: match[2] };
}

/** `package.json` as it is published. */
export function releaseManifest(manifest, tarballs, repository) {
  const engines = tarballs.map((file) => packageOfTarball(file, manifest.version));
  const strange = tarballs.filter((_, index) => engines[index] === null);
  if (strange.length > 0) {
    throw new Error(`No engines of version ${manifest.version}: ${strange.join(', ')}.`);
  }
  const missing = BUNDLED.filter((kind) => !engines.some((engine) => engine.kind === kind));
  if (missing.length > 0) throw new Error(`No engine was built for libtorch ${missing.join(', ')}.`);
  const bundled = engines.filter(({ kind }) => BUNDLED.includes(kind)).map(({ name }) => name);
  return {
    ...manifest,
    ...(repository && { repository: { type: 'git', url: `git+${repository}.git` } }),
    optionalDependencies: Object.fromEntries(bundled.sort().map((name) => [name, manifest.version])),
  };
}

if (import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({ options: { engines: { type: 'string' }, repository: { type: 'string' } } });
  const file = join(PROJECT_ROOT, 'package.json');
  const tarballs = readdirSync(values.engines).filter((name) => name.endsWith('.tgz'));
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  try {
    const released = releaseManifest(manifest, tarballs, values.repository);
    writeFileSync(file, `${JSON.stringify(released, null, 2)}\n`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
