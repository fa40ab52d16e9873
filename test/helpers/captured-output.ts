import { afterEach, beforeEach, vi } from 'vitest';

/** What a test's commands wrote to standard output and standard error. */
export interface CapturedOutput {
  out: string;
  err: string;
}

/** Keeps what each test writes; the streams are given back behind it. */
export function capturedOutput(): CapturedOutput {
  const captured = { out: '', err: '' };
  const keep = (stream: 'stdout' | 'stderr', name: 'out' | 'err') =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      captured[name] += text;
      return true;
    });
  beforeEach(() => {
    captured.out = '';
    captured.err = '';
    keep('stdout', 'out');
    keep('stderr', 'err');
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return captured;
}
