import { Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { describeFailure, exitCodeOf, failureEvent, Interrupted, wrongUse } from '../../src/cli/failure.js';
import { PermafrostError } from '../../src/errors/error.js';

const wrong = new PermafrostError('INVALID_OPTION', '--epochs: expected at least 1, got 0.', {
  option: 'epochs',
});

describe('the exit code', () => {
  it('is 2 for wrong use', () => {
    expect(exitCodeOf(wrong)).toBe(2);
    expect(exitCodeOf(new PermafrostError('INVALID_PLAN', 'x'))).toBe(2);
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'x'))).toBe(2);
  });

  it('is 1 for what failed', () => {
    expect(exitCodeOf(new PermafrostError('DATA_FORMAT', 'x'))).toBe(1);
    expect(exitCodeOf(new Error('x'))).toBe(1);
    expect(exitCodeOf(new Interrupted('SIGTERM'))).toBe(1);
    expect(exitCodeOf('x')).toBe(1);
  });

  it('is 0 for --help and --version', () => {
    expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', 'x'))).toBe(0);
  });
});

describe('an error on the terminal', () => {
  it('is its message and code without a stack', () => {
    expect(describeFailure(wrong, null, {})).toBe(
      'error [INVALID_OPTION]: --epochs: expected at least 1, got 0.',
    );
  });

  it('has a stack with PERMAFROST_DEBUG=1', () => {
    expect(describeFailure(wrong, null, { PERMAFROST_DEBUG: '1' })).toContain('failure.test.ts');
  });

  it('that nobody foresaw says how to see more', () => {
    expect(describeFailure(new TypeError('x is not a function'), null, {})).toContain('PERMAFROST_DEBUG=1');
    expect(describeFailure(new Interrupted('SIGTERM'), null, {})).not.toContain('PERMAFROST_DEBUG');
  });

  it('is one object for programs', () => {
    expect(JSON.parse(JSON.stringify(failureEvent(wrong)))).toEqual({
      type: 'error',
      code: 'INVALID_OPTION',
      message: wrong.message,
      details: { option: 'epochs' },
    });
  });
});

describe('the options that a message names', () => {
  const command = new Command()
    .option('--max-length <n>')
    .option('--freeze <strategy>')
    .option('--no-prefix-cache')
    .option('--restart')
    .option('--cased');
  const told = (message: string, details = {}) =>
    describeFailure(new PermafrostError('INVALID_OPTION', message, details), command, {});

  it('are the flags of the command', () => {
    expect(told('`maxLength`: wrong. Give `restart: true`, `prefixCache: false` or `freezing: full`.')).toBe(
      'error [INVALID_OPTION]: --max-length: wrong. Give --restart, --no-prefix-cache or --freeze full.',
    );
    expect(told('`optimizer.maxLength` and `lowercase: false`')).toMatch(/--max-length and --cased$/);
    expect(told("maxLength: expected a number, got 'x'.")).toMatch(/\]: --max-length: expected/);
  });

  it('are not advised where the command has none of that name', () => {
    expect(told('It is wrong. Name the tags with `tagNames`. Correct the line.')).toMatch(
      /\]: It is wrong\. Correct the line\.$/,
    );
    expect(told('`tagNames` has the numbers 0 to 3.')).toMatch(/\]: tagNames has the numbers/);
  });

  it('follow no name of a function, but the name of a file', () => {
    expect(told('finetune: `maxLength`: wrong.', { where: 'finetune' })).toMatch(/\]: --max-length: wrong/);
    expect(told('a/config.json: wrong.', { where: 'a/config.json' })).toMatch(/\]: a\/config\.json: wrong/);
  });

  it('read alike where the parser of the command line refuses them', () => {
    const refused = (code: string, message: string) => wrongUse(new CommanderError(1, code, message)).message;
    const invalid = (reason: string, got = 'x') =>
      refused(
        'commander.invalidArgument',
        `error: option '--epochs <n>' argument '${got}' is invalid. ${reason}`,
      );
    expect(invalid('expected a whole number')).toMatch(/^--epochs: expected a whole number, got "x"\./);
    expect(invalid('expected a whole number', '1.5')).toMatch(/got 1\.5\./);
    expect(invalid('Allowed choices are a, b.')).toMatch(/^--epochs: expected one of a, b, got "x"\./);
    expect(
      refused('commander.unknownOption', "error: unknown option '--epoch'\n(Did you mean --epochs?)"),
    ).toMatch(/^there is no option '--epoch'\. Did you mean --epochs\?/);
    expect(refused('commander.unknownCommand', "error: unknown command 'papr'")).toMatch(
      /^unknown command 'papr'\./,
    );
  });
});
