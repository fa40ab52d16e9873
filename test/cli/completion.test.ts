import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bashCompletion } from '../../src/cli/completion/bash.js';
import { fishCompletion } from '../../src/cli/completion/fish.js';
import { completionTree } from '../../src/cli/completion/tree.js';
import { zshCompletion } from '../../src/cli/completion/zsh.js';
import { buildProgram } from '../../src/cli/main.js';

const tree = completionTree(buildProgram(() => () => Promise.resolve()));
const has = (shell: string) => spawnSync(shell, ['--version']).error === undefined;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-completion-'));
  writeFileSync(join(folder, 'settings.yaml'), '');
  writeFileSync(join(folder, 'bash'), bashCompletion(tree));
  writeFileSync(join(folder, 'zsh'), zshCompletion(tree));
  writeFileSync(join(folder, 'fish'), fishCompletion(tree));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lines on which completion is asked for at the end, with what must be offered, and what must not. */
const CASES: [line: string, offered: string[], not: string[]][] = [
  ['permafrost tr', ['train'], ['paper']],
  ['permafrost study er', ['errors'], ['gradients']],
  ['permafrost train --fre', ['--freeze'], ['--freeze-none']],
  ['permafrost train --freeze b', ['bottom-up:'], ['top-down:']],
  ['permafrost paper --preset demo', ['demo', 'demo-kk'], ['conll2003']],
  ['permafrost train --schedule co', ['cosine', 'constant'], ['linear']],
  ['permafrost pretrain --device c', ['cpu', 'cuda', 'cuda:0'], ['auto']],
  ['permafrost train --config set', ['settings.yaml'], []],
  ['permafrost completion ', ['bash', 'zsh', 'fish'], []],
];

/** What bash offers for each line, from one shell. */
function offeredByBash(): string[][] {
  const asked = CASES.map(([line]) => {
    const words = line.split(' ').map((word) => `'${word}'`);
    return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _permafrost; printf '%s\\t' "\${COMPREPLY[@]}"; echo`;
  });
  const { stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '-c', [`source ${join(folder, 'bash')}`, ...asked].join('\n')],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
  expect(stderr.replaceAll(/^.*compopt.*\n/gm, '')).toBe('');
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').filter(Boolean));
}

function offeredByFish(): string[][] {
  const asked = CASES.map(([line]) => `complete -C '${line}'; echo ---`);
  const script = [`source ${join(folder, 'fish')}`, ...asked].join('\n');
  const { stdout } = spawnSync('fish', ['--no-config', '-c', script], { cwd: folder, encoding: 'utf8' });
  return stdout.split('---\n').map((block) => block.split('\n').map((line) => line.split('\t')[0]!));
}

describe('completion', () => {
  it('in bash offers commands, options, values and files', () => {
    const answers = offeredByBash();
    for (const [index, [line, offered, not]] of CASES.entries()) {
      expect(answers[index], line).toEqual(expect.arrayContaining(offered));
      for (const word of not) expect(answers[index], line).not.toContain(word);
    }
  });

  it.skipIf(!has('fish'))('in fish does the same', () => {
    const answers = offeredByFish();
    for (const [index, [line, offered, not]] of CASES.entries()) {
      expect(answers[index], line).toEqual(expect.arrayContaining(offered));
      for (const word of not) expect(answers[index], line).not.toContain(word);
    }
  });

  it.skipIf(!has('zsh'))('in zsh is a function that its completion system takes', () => {
    const script = `autoload -Uz compinit; compinit -u -d ${join(folder, 'dump')}; source ${join(folder, 'zsh')}; print $_comps[permafrost]; whence -w _permafrost_study_errors`;
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('_permafrost\n_permafrost_study_errors: function\n');
  });

  it('knows every option of every command in all three', () => {
    const { commands } = tree;
    const train = commands.find(({ path }) => path[0] === 'train')!;
    const flags = train.options.flatMap((option) => option.flags).filter((flag) => flag.startsWith('--'));
    expect(flags.length).toBeGreaterThan(70);
    const [bash, zsh, fish] = [bashCompletion(tree), zshCompletion(tree), fishCompletion(tree)];
    for (const flag of flags) {
      expect(bash).toContain(flag);
      expect(zsh).toContain(`${flag}[`);
      expect(fish).toContain(`-l ${flag.slice(2)}`);
    }
  });
});
