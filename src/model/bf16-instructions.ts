import { readFileSync } from 'node:fs';

/** As Linux names them: those of Intel and AMD, and Arm's. */
const NAMES = ['avx512_bf16', 'amx_bf16', 'bf16'] as const;

let found: readonly string[] | undefined;
let isWarned = false;

/** Instructions of this processor that multiply bf16 numbers, such as `avx512_bf16`; empty where it has none or does not tell. */
export function bf16Instructions(): readonly string[] {
  found ??= namedIn(processorFacts());
  return found;
}

/** Those that the text of Linux's /proc/cpuinfo names. */
export function namedIn(cpuinfo: string): readonly string[] {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? [];
  return NAMES.filter((name) => flags.includes(name));
}

/** Says once a process that bf16 saves memory but no time, where the processor has no such instructions. */
export function warnWithoutBf16Instructions(): void {
  if (isWarned || bf16Instructions().length > 0) return;
  isWarned = true;
  process.emitWarning(
    "This processor has no instructions for bf16 (avx512_bf16, amx_bf16), so `precision: 'bf16'` saves memory, half of " +
      'what activations and kept outputs of frozen layers take, but no time. Choose `fp32` where memory does not bind.',
    { code: 'PERMAFROST_BF16_SAVES_NO_TIME' },
  );
}

function processorFacts(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'latin1');
  } catch {
    // Another system: nothing is known.
    return '';
  }
}
