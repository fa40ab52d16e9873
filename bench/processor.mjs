// What the processor can do, for the notes below a table.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const NAMED = ['avx2', 'avx512f', 'avx512_vnni', 'avx_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8'];

/** Instruction sets that products depend on, as Linux names them. */
export function instructionSets() {
  try {
    const flags = new Set(/^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '));
    return NAMED.filter((name) => flags.has(name));
  } catch {
    return [];
  }
}

/** Whether the processor multiplies in bf16. Elsewhere it is emulated, and no measure of speed. */
export function multipliesInBf16() {
  return instructionSets().some((name) => name.endsWith('bf16'));
}

export function processorText() {
  const sets = instructionSets();
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'} (${sets.length > 0 ? sets.join(', ') : 'no AVX2'})`;
}
