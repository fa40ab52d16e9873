// Which package manager installed the package, and how it is told to run the install script, which most of them block.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const OWN_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Files that a package manager leaves in the node_modules of a project. */
const MARKS = [
  ['pnpm', join('node_modules', '.modules.yaml')],
  ['yarn', join('node_modules', '.yarn-state.yml')],
  ['yarn-classic', join('node_modules', '.yarn-integrity')],
  ['deno', join('node_modules', '.deno')],
  ['npm', join('node_modules', '.package-lock.json')],
  ['bun', 'bun.lock'],
  ['bun', 'bun.lockb'],
];

/**
 * The one command that makes the engine anew: it lets the package's install script run, and runs it.
 *
 * @param packageRoot directory of the package. @default this one
 * @param env where the manager that runs this process is named. @default process.env
 */
export function rebuildCommand(packageRoot = OWN_ROOT, env = process.env) {
  const place = placeOf(packageRoot, env);
  if (place === null) return 'npm run setup';
  const { manager, project } = place;
  switch (manager) {
    case 'npm':
      return npmCommand(project, env);
    case 'pnpm':
      return isIgnored(project) ? 'pnpm approve-builds' : 'pnpm rebuild permafrost';
    case 'yarn':
      return 'YARN_ENABLE_SCRIPTS=1 yarn rebuild permafrost';
    case 'yarn-classic':
      return 'yarn install --force';
    case 'deno':
      return states(project, 'deno.json', 'npm:permafrost')
        ? `node ${script(packageRoot)}`
        : 'deno approve-scripts npm:permafrost';
    case 'bun':
      return states(project, 'package.json', '"trustedDependencies"')
        ? 'bun install --force'
        : 'bun pm trust permafrost';
    default:
      return `node ${script(packageRoot)}`;
  }
}

/** Where the package was installed and by what, null in a clone; `manager` is null where no project's own is known. */
function placeOf(packageRoot, env) {
  const unplugged = packageRoot.indexOf(`${sep}.yarn${sep}`);
  if (unplugged >= 0) return { manager: 'yarn', project: packageRoot.slice(0, unplugged) };
  const at = packageRoot.indexOf(`${sep}node_modules${sep}`);
  if (at < 0) return null;
  const project = packageRoot.slice(0, at);
  // Neither what is installed for a user's every project nor the cache of npx is rebuilt by name.
  if (!existsSync(join(project, 'package.json')) || project.includes(`${sep}_npx${sep}`)) {
    return { manager: null, project };
  }
  const mark = MARKS.find(([, file]) => existsSync(join(project, file)));
  return { manager: mark?.[0] ?? runningManager(env), project };
}

/** The manager that runs this process, which leaves its marks later: `pnpm/10.34.9 npm/? node/v24.21.0 linux x64`. */
function runningManager({ npm_config_user_agent: agent = '' }) {
  const [, name, major] = /^(\w+)\/(\d+)/.exec(agent) ?? [];
  return name === 'yarn' && Number(major) < 2 ? 'yarn-classic' : (name ?? null);
}

/** npm blocks since its version 12. */
function npmCommand(project, { npm_config_user_agent: agent = '' }) {
  const rebuild = 'npm rebuild permafrost --foreground-scripts';
  const besideNode = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'package.json');
  const [, major] = /^npm\/(\d+)/.exec(agent) ?? /"version": *"(\d+)/.exec(textOf(besideNode)) ?? [];
  const isBlocked =
    Number(major) >= 12 && !/"allowScripts"[^}]*permafrost/.test(textOf(join(project, 'package.json')));
  return isBlocked ? `npm install-scripts approve permafrost && ${rebuild}` : rebuild;
}

/** Whether pnpm did not run the script. */
function isIgnored(project) {
  const list = /ignoredBuilds"?:([^\]]*)/.exec(textOf(join(project, 'node_modules', '.modules.yaml')));
  return list?.[1]?.includes('permafrost@') ?? false;
}

function states(project, file, text) {
  return textOf(join(project, file)).includes(text);
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** What every manager's command comes to. */
function script(packageRoot) {
  return join(packageRoot, 'scripts', 'install.mjs');
}
