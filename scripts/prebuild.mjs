// Makes the package of a prebuilt engine, @permafrost/<platform>-<arch>-libtorch-<minor>-<cpu|cuda>, for the libtorch
// that is found (LIBTORCH names another one), and checks that it can run elsewhere.
//
//   npm run prebuild [-- --out DIR] [--jobs N] [--allow-newer-symbols]
//
// The package and its tarball are put into DIR (build/prebuilt). With --allow-newer-symbols an engine is kept that
// needs a newer C library than its libtorch: it runs on this machine and newer ones, and says so where it does not.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake, defaultBuildDirectory } from './cmake-build.mjs';
import { checkEngine, inspectBinary } from './engine-binary.mjs';
import { prebuiltName } from './prebuilt.mjs';
import { inspectToolchain, PROJECT_ROOT, run } from './toolchain.mjs';

const FILES = ['permafrost.node', 'permafrost_preload.node'];

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(PROJECT_ROOT, 'build', 'prebuilt') },
    jobs: { type: 'string' },
    'allow-newer-symbols': { type: 'boolean', default: false },
  },
});

const own = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'));

/** What the loader must know of an engine before it loads it. */
function description(libtorch, binary) {
  return {
    libtorch: libtorch.version,
    cuda: binary.cuda,
    cxx11Abi: libtorch.cxx11Abi ?? true,
    glibc: binary.glibc,
    libraries: binary.libtorchLibraries,
  };
}

function manifest(name, libtorch, binary) {
  const which = `libtorch ${libtorch.version.replace(/\.\d+$/, '')} (${libtorch.cuda ? 'CUDA' : 'CPU'})`;
  const fields = ['license', 'repository', 'homepage', 'bugs', 'engines'];
  return {
    name,
    version: own.version,
    description: `The native engine of permafrost for ${which} on ${process.platform} ${process.arch}.`,
    ...Object.fromEntries(
      fields.filter((field) => own[field] !== undefined).map((field) => [field, own[field]]),
    ),
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === 'linux' && { libc: ['glibc'] }),
    main: FILES[0],
    files: FILES,
    preferUnplugged: true,
    publishConfig: { access: 'public' },
    permafrost: description(libtorch, binary),
  };
}

const readme = ({ name, description: text }) =>
  `# ${name}\n\n${text} The package \`permafrost\` takes it by itself where it finds such a libtorch; there is nothing to import here.\n`;

async function prebuild() {
  const { found } = inspectToolchain().libtorch;
  const name = found === null ? 'unknown' : prebuiltName(found);
  const short = name.slice(name.indexOf('/') + 1);
  const buildDir = defaultBuildDirectory();
  const jobs = values.jobs && { jobs: values.jobs };
  await buildWithCmake({ buildDir, definitions: {}, target: 'permafrost_prebuilt', ...jobs });
  const directory = join(resolve(values.out), short);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const file of FILES) {
    copyFileSync(join(buildDir, 'prebuilt', file), join(directory, file));
    run('strip', ['--strip-unneeded', join(directory, file)]);
  }
  copyFileSync(join(PROJECT_ROOT, 'LICENSE'), join(directory, 'LICENSE'));

  const binary = inspectBinary(join(directory, 'permafrost.node'), found);
  const problems = checkEngine(directory, FILES, found, { allowNewer: values['allow-newer-symbols'] });
  if (problems.length > 0) throw new Error([`${name} would not run elsewhere:`, ...problems].join('\n  '));
  const contents = manifest(name, found, binary);
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(contents, null, 2)}\n`);
  writeFileSync(join(directory, 'README.md'), readme(contents));

  const pack = ['pack', '--json', '--pack-destination', resolve(values.out), directory];
  const { status, stdout, stderr } = spawnSync('npm', pack, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const tarball = join(resolve(values.out), JSON.parse(stdout)[0].filename);
  const { libraries, glibc } = contents.permafrost;
  console.error(`permafrost: ${name}@${own.version} asks for ${libraries.join(', ')} and glibc ${glibc}`);
  console.log(`${tarball} (${(statSync(tarball).size / 1e6).toFixed(1)} MB)`);
}

try {
  await prebuild();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
