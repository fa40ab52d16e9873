import type { Command } from 'commander';
import { rebuildCommand } from '../../../scripts/package-manager.mjs';
import { type InstallEvent, type Installed, installLibtorch } from '../../libtorch/install.js';
import { probeNvidiaDriver } from '../../libtorch/nvidia-driver.js';
import { chooseRelease, DEFAULT_VERSION, KNOWN_VERSIONS } from '../../libtorch/releases.js';
import { byteProgress } from '../byte-progress.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption } from '../options.js';
import type { Flags } from '../schema-options.js';

export function addLibtorchCommand(program: Command, run: Runner): void {
  const command = program.command('libtorch').description('fetch the libtorch that the engine computes with');
  const install = command
    .command('install')
    .description(
      "download PyTorch's official libtorch for the driver that is here, and see to an engine for it",
    )
    .option('--cpu', 'the build without CUDA')
    .option('--cuda <version>', 'the build for a CUDA version such as 13.0 (default: what the driver serves)')
    .option('--version <version>', `${KNOWN_VERSIONS.join(', ')} or later (default: ${DEFAULT_VERSION})`)
    .option('--directory <dir>', "where it is put (default: the user's data directory)")
    .option('--sha256 <digits>', 'what the archive must hash to')
    .option('--mirror <url>', 'where the archives lie, instead of download.pytorch.org/libtorch')
    .option('--no-build', 'see to no engine');
  addExamples(install, {
    'the one for the driver that is here': 'permafrost libtorch install',
    'without CUDA': 'permafrost libtorch install --cpu',
  });
  addJsonOption(install).action(run(installCommand));
}

async function installCommand(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const driver = probeNvidiaDriver();
  const release = chooseRelease({
    ...(flags as { cpu?: boolean; cuda?: string; version?: string; mirror?: string }),
    driver,
    platform: process.platform,
    arch: process.arch,
  });
  const reason =
    flags.cpu || flags.cuda
      ? ''
      : driver.version === null
        ? ' (no NVIDIA driver here)'
        : ` (driver ${driver.version})`;
  output.note(`libtorch ${release.version}, ${release.build}${reason}: ${release.url}`);
  const progress = byteProgress(output);
  const onEvent = (event: InstallEvent): void => {
    if (event.type === 'download') progress.update('download', event.receivedBytes, event.totalBytes);
    else if (event.type === 'unpack') progress.update('unpack', event.bytes, event.totalBytes);
    else {
      progress.stop();
      output.note(
        event.type === 'present'
          ? `It is there already: ${event.directory}`
          : 'The engine for it: a prebuilt one, else built here …',
      );
    }
  };
  let installed: Installed;
  try {
    const { directory, sha256, build } = flags as { directory?: string; sha256?: string; build: boolean };
    installed = await installLibtorch(
      { release, build, signal, ...(directory && { directory }), ...(sha256 && { sha256 }) },
      onEvent,
    );
  } finally {
    progress.stop();
  }
  report(installed, output);
}

function report(installed: Installed, output: CommandContext['output']): void {
  const { directory, version, build, checkedBy, missingLibraries, isBuilt } = installed;
  if (checkedBy === 'crc32') {
    output.note(
      "The archive's SHA-256 is not known, since its host publishes none; each file was checked by its CRC-32. " +
        '--sha256 takes one.',
    );
  }
  output.print(`libtorch ${version} (${build}): ${directory}`);
  output.print(
    isBuilt
      ? 'The engine for it is there. "npx permafrost doctor" tries it out.'
      : `Builds of the engine find it there ("${rebuildCommand()}"); elsewhere set ` +
          `LIBTORCH=${directory}`,
  );
  if (missingLibraries.length > 0) {
    output.print(
      `This libtorch does not bring ${missingLibraries.join(', ')}, and this system does not have them. Install NVIDIA's ` +
        `CUDA libraries, or take libtorch ${DEFAULT_VERSION}, which brings them.`,
    );
  }
  output.json({ type: 'libtorch', ...installed });
}
