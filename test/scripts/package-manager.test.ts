import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { rebuildCommand } from '../../scripts/package-manager.mjs';

const root = mkdtempSync(join(tmpdir(), 'permafrost-managers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const APP = { 'package.json': '{}' };
const PLACE = 'node_modules/permafrost';

let projects = 0;
/** A project with these files, and where the package lies in it. */
function installed(files: Record<string, string>, place = PLACE): [project: string, packageRoot: string] {
  const project = join(root, `app-${projects++}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), content);
  }
  return [project, join(project, place)];
}

const NPM = { ...APP, 'node_modules/.package-lock.json': '{}' };
const NPM_12 = { npm_config_user_agent: 'npm/12.2.1 node/v24.21.0 linux x64 workspaces/false' };
const NPM_11 = { npm_config_user_agent: 'npm/11.19.1 node/v20.20.2 linux x64 workspaces/false' };
const REBUILD = 'npm rebuild permafrost --foreground-scripts';

it.each<[string, Record<string, string>, string, Record<string, string>, string]>([
  ['npm 11', NPM, PLACE, NPM_11, REBUILD],
  ['npm 12', NPM, PLACE, NPM_12, `npm install-scripts approve permafrost && ${REBUILD}`],
  [
    'npm 12 that was told to run the script',
    { ...NPM, 'package.json': '{"allowScripts":{"permafrost":true}}' },
    PLACE,
    NPM_12,
    REBUILD,
  ],
  [
    'pnpm that did not run the script',
    { ...APP, 'node_modules/.modules.yaml': '  "ignoredBuilds": [\n    "permafrost@0.1.0"\n  ],\n' },
    'node_modules/.pnpm/permafrost@0.1.0/node_modules/permafrost',
    {},
    'pnpm approve-builds',
  ],
  [
    'pnpm that ran it',
    {
      ...APP,
      'node_modules/.modules.yaml': '  "ignoredBuilds": ["other@1.0.0"],\n  "x": "permafrost@0.1.0"',
    },
    PLACE,
    {},
    'pnpm rebuild permafrost',
  ],
  [
    "Yarn's node_modules",
    { ...APP, 'node_modules/.yarn-state.yml': '' },
    PLACE,
    {},
    'YARN_ENABLE_SCRIPTS=1 yarn rebuild permafrost',
  ],
  [
    "Yarn's Plug'n'Play",
    APP,
    '.yarn/unplugged/permafrost-npm-0.1.0-580e0dd6ad/node_modules/permafrost',
    {},
    'YARN_ENABLE_SCRIPTS=1 yarn rebuild permafrost',
  ],
  ['Yarn 1', { ...APP, 'node_modules/.yarn-integrity': '' }, PLACE, {}, 'yarn install --force'],
  ['Bun', { ...APP, 'bun.lock': '' }, PLACE, {}, 'bun pm trust permafrost'],
  [
    'Bun that trusts the package',
    { 'package.json': '{"trustedDependencies":["permafrost"]}', 'bun.lock': '' },
    PLACE,
    {},
    'bun install --force',
  ],
  [
    'Deno',
    { ...APP, 'node_modules/.deno/x': '' },
    'node_modules/.deno/permafrost@0.1.0/node_modules/permafrost',
    {},
    'deno approve-scripts npm:permafrost',
  ],
])('the install script is run by the command of %s', (_, files, place, env, command) => {
  const [, packageRoot] = installed(files, place);
  expect(rebuildCommand(packageRoot, env)).toBe(command);
});

it.each<[string, string]>([
  ['npm/11.19.1 node/v20.20.2 linux x64 workspaces/false', REBUILD],
  ['pnpm/10.34.9 npm/? node/v24.21.0 linux x64', 'pnpm rebuild permafrost'],
  ['yarn/4.18.1 npm/? node/v24.21.0 linux x64', 'YARN_ENABLE_SCRIPTS=1 yarn rebuild permafrost'],
  ['yarn/1.22.22 npm/? node/v24.21.0 linux x64', 'yarn install --force'],
])('while %s installs, it alone tells', (agent, command) => {
  const [, packageRoot] = installed(APP);
  expect(rebuildCommand(packageRoot, { npm_config_user_agent: agent })).toBe(command);
});

it('the script itself is named where no manager of a project is known', () => {
  for (const [files, env] of [
    [APP, {}],
    [{ 'node_modules/.package-lock.json': '' }, NPM_11],
  ] as const) {
    const [, packageRoot] = installed(files);
    expect(rebuildCommand(packageRoot, env)).toBe(`node ${join(packageRoot, 'scripts', 'install.mjs')}`);
  }
});

it('a clone has a command of its own', () => {
  const [project] = installed(APP);
  expect(rebuildCommand(project, NPM_11)).toBe('npm run setup');
});
