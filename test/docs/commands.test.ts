import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/main.js';
import { manualPage } from '../../src/cli/manual.js';
import { commandReference } from '../../src/cli/reference.js';
import { ROOT } from './blocks.js';

const program = buildProgram(() => () => Promise.resolve());
const has = (tool: string) => spawnSync(tool, ['--version']).error === undefined;

describe('docs/commands.md', () => {
  it('is what "npm run docs:commands" writes', () => {
    expect(readFileSync(join(ROOT, 'docs', 'commands.md'), 'utf8')).toBe(commandReference(program));
  });
});

describe('the manual page', () => {
  const page = manualPage(program);

  it('has every command and every option', () => {
    for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
      expect(page).toContain(command.name());
      const options = command.commands.length > 0 ? [] : command.options;
      for (const { flags } of options) expect(page).toContain(`.B ${flags.replaceAll('-', '\\-')}\n`);
    }
  });

  it('is the one that the package names', () => {
    const { man, files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(man).toEqual(['./dist/man/permafrost.1']);
    expect(files).toContain('dist');
  });

  it.skipIf(!has('groff'))('is roff that groff has no warning about', () => {
    const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww'], {
      input: page,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toContain('Print what makes a shell complete commands');
  });

  it.skipIf(!has('mandoc'))('is roff that mandoc has no fault to find with, the missing date aside', () => {
    const { stdout } = spawnSync('mandoc', ['-Tlint'], { input: page, encoding: 'utf8' });
    expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
  });
});
