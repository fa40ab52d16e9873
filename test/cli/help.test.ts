import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { factsOf } from '../../src/cli/command-facts.js';
import { buildProgram, main } from '../../src/cli/main.js';
import { commandPath } from '../../src/cli/option-text.js';
import { Output } from '../../src/cli/output.js';
import { shellCommands } from '../docs/shell.js';
import { capturedOutput } from '../helpers/captured-output.js';

const captured = capturedOutput();

const program = () => buildProgram(() => () => Promise.resolve());
const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)];
const commands = everyCommand(program()).map((command) => [commandPath(command), command] as const);
const columns = (line: string) => [...line].length;

/** As a file or a pipe gets it. */
function helpOf(command: Command): string {
  const { isTTY, columns: width } = process.stdout;
  Object.assign(process.stdout, { isTTY: false, columns: undefined });
  try {
    captured.out = '';
    command.outputHelp();
    return captured.out;
  } finally {
    Object.assign(process.stdout, { isTTY, columns: width });
  }
}

describe('the help', () => {
  it.each(commands)(
    'of %s has no line longer than 80 columns, and no style where there is no terminal',
    (_, command) => {
      const help = helpOf(command);
      expect(help).toContain('Usage: permafrost');
      expect(help.split('\n').filter((line) => columns(line) > 80)).toEqual([]);
      expect(help).not.toContain('\u001b');
    },
  );

  it.each(commands.filter(([, command]) => command.commands.length === 0))(
    'of %s shows an example',
    (_, command) => {
      expect(factsOf(command).examples.length).toBeGreaterThan(0);
    },
  );

  const examples = commands.flatMap(([, command]) =>
    factsOf(command).examples.flatMap(({ command: line }) =>
      shellCommands(line.replace(/^.*"\$\((.*)\)"$/, '$1')).filter(({ program }) => program === 'permafrost'),
    ),
  );

  it.each(examples)('has the example permafrost $args, which parses', async ({ args }) => {
    const reached: unknown[] = [];
    const made = buildProgram(() => (flags) => Promise.resolve(void reached.push(flags)));
    await made.parseAsync(args, { from: 'user' });
    expect(reached).toHaveLength(1);
  });

  it('groups commands and options, and tells defaults, also those that a preset changes', () => {
    const root = helpOf(program());
    for (const heading of ['Train:', 'Look at runs:', 'Models:', 'Data:', 'This machine:']) {
      expect(root).toContain(`\n${heading}\n`);
    }
    expect(root).not.toContain('\nCommands:\n');
    const train = helpOf(program().commands.find((command) => command.name() === 'train')!);
    for (const heading of ['Data:', 'Model:', 'Optimizer:', 'Stopping:', 'Machine:', 'Settings:']) {
      expect(train).toContain(`\n${heading}\n`);
    }
    expect(train).toMatch(/--learning-rate <x> +peak learning rate \(default: 3e-5\)/);
    expect(train).toMatch(/--epochs <n>[^-]*\(default: 10\)/);
  });

  it.each([
    [['trian'], 'train'],
    [['study', 'erors'], 'errors'],
    [['train', '--epoch', '1'], '--epochs'],
    [['predict', '--modle', 'x'], '--model'],
    [['train', '--scheme', 'iob3'], 'iob1'],
    [['train', '--preset', 'dmo'], 'demo'],
    [['train', '--freeze', 'botom-up:2', '--preset', 'demo'], 'bottom-up:2'],
    [['train', '--set', 'optimiser.betas=0.9,0.98'], 'optimizer'],
    [['train', '--set', 'batch-size=3'], 'batchSize'],
    [['completion', 'bsh'], 'bash'],
  ])('%j is wrong use, and the answer names %s', async (args, meant) => {
    expect(await main(args)).toBe(2);
    expect(captured.err).toMatch(/Did you mean/);
    expect(captured.err).toContain(meant);
  });
});

describe('text that stands out', () => {
  const styled = (isTTY: boolean, env: NodeJS.ProcessEnv, json = false) => {
    const stderr = Object.assign(Object.create(process.stderr), { isTTY, write: () => true });
    return new Output({ json, stderr, env }).styled('bold', 'x') !== 'x';
  };

  it('does so on a terminal alone, unless NO_COLOR or FORCE_COLOR says otherwise', () => {
    expect(styled(true, {})).toBe(true);
    expect(styled(false, {})).toBe(false);
    expect(styled(true, { NO_COLOR: '1' })).toBe(false);
    expect(styled(true, { TERM: 'dumb' })).toBe(false);
    expect(styled(false, { FORCE_COLOR: '1' })).toBe(true);
    expect(styled(true, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(true);
    expect(styled(true, { FORCE_COLOR: '0' })).toBe(false);
    expect(styled(true, { FORCE_COLOR: '1' }, true)).toBe(false);
  });
});
