import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { describeFailure, exitCodeOf, failureEvent, Interrupted } from '../../src/cli/failure.js';
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
    expect(describeFailure(wrong, {})).toBe('error [INVALID_OPTION]: --epochs: expected at least 1, got 0.');
  });

  it('has a stack with PERMAFROST_DEBUG=1', () => {
    expect(describeFailure(wrong, { PERMAFROST_DEBUG: '1' })).toContain('failure.test.ts');
  });

  it('that nobody foresaw says how to see more', () => {
    expect(describeFailure(new TypeError('x is not a function'), {})).toContain('PERMAFROST_DEBUG=1');
    expect(describeFailure(new Interrupted('SIGTERM'), {})).not.toContain('PERMAFROST_DEBUG');
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
