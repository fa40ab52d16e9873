import type { Command } from 'commander';
import { PermafrostError } from '../../errors/error.js';
import { dependencyVersion, packageVersion } from '../../experiment/environment.js';
import { type Addon, addon } from '../../native/addon.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption, type Flags } from '../options.js';

/** One thing that was looked at. */
interface Finding {
  name: string;
  value: string;
}

/** What scripts/toolchain.mjs tells; it is plain JavaScript because it works before anything is compiled. */
interface Toolchain {
  libtorch: {
    found: { root: string; version: string; source: string; cuda: boolean } | null;
    tried: { source: string; where: string; problem: string }[];
  };
  cmake: string | null;
  compiler: string | null;
  missing: string[];
}

export function addDoctorCommand(program: Command, run: Runner): void {
  const command = program.command('doctor').description('say what is installed, what works, and what to do');
  addJsonOption(command).action(run(doctor));
}

async function doctor(_flags: Flags, { output }: CommandContext): Promise<void> {
  const { engine, error } = inspectEngine();
  const toolchain = await inspectToolchain();
  const findings: Finding[] = [
    { name: 'permafrost', value: packageVersion() },
    { name: 'node', value: `${process.versions.node} (${process.platform} ${process.arch})` },
    { name: 'tokenizers', value: dependencyVersion('tokenizers') ?? 'not installed' },
    ...engineFindings(engine),
    ...toolchainFindings(toolchain),
  ];
  for (const { name, value } of findings) output.print(`${name.padEnd(22)} ${value}`);
  output.json({
    type: 'doctor',
    ok: error === null,
    findings: Object.fromEntries(findings.map(({ name, value }) => [name, value])),
    libtorch: engine?.libtorch ?? null,
    toolchain,
    problem: error && { code: error.code, message: error.message },
  });
  if (error) throw error;
  output.print('The engine works.');
}

function inspectEngine(): { engine: Addon | null; error: PermafrostError | null } {
  try {
    return { engine: addon(), error: null };
  } catch (error) {
    if (error instanceof PermafrostError) return { engine: null, error };
    throw error;
  }
}

function engineFindings(engine: Addon | null): Finding[] {
  if (engine === null) return [{ name: 'engine', value: 'does not load' }];
  const { builtVersion, root, loadedVersion, loadedPath, hasCuda } = engine.libtorch;
  return [
    { name: 'engine', value: `${engine.version}, ${engine.availableCores} cores` },
    { name: 'built against libtorch', value: `${builtVersion} (${root})` },
    { name: 'loaded libtorch', value: `${loadedVersion} (${loadedPath})` },
    { name: 'CUDA', value: hasCuda ? 'available' : 'not available' },
  ];
}

async function inspectToolchain(): Promise<Toolchain> {
  // A variable keeps the compiler from looking for types of a script that lies outside of src.
  const script = new URL('../../../scripts/toolchain.mjs', import.meta.url).href;
  const module = (await import(script)) as { inspectToolchain(): Toolchain };
  return module.inspectToolchain();
}

function toolchainFindings({ libtorch, cmake, compiler }: Toolchain): Finding[] {
  const { found } = libtorch;
  return [
    {
      name: 'libtorch for a build',
      value: found ? `${found.version} (${found.root}, from ${found.source})` : 'none found',
    },
    ...(found
      ? []
      : libtorch.tried.map(({ where, problem }) => ({ name: '  looked in', value: `${where}: ${problem}` }))),
    { name: 'cmake', value: cmake ?? 'not found' },
    { name: 'C++ compiler', value: compiler ?? 'not found' },
  ];
}
