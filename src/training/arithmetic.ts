import type { EncoderModel } from '../model/encoder-model.js';
import type { Arithmetic } from './state-file.js';

/** What the bits of a training depend on beside its settings, and may be other on another machine. */
export async function arithmeticOf(model: EncoderModel): Promise<Arithmetic> {
  const { matmul } = await model.deviceFacts();
  return matmul && { library: matmul.library, threads: matmul.threads };
}

/** Says that a training goes on by other arithmetic than it began with: within rounding, but not in the same bits. */
export function warnOfOther(directory: string, was: Arithmetic | undefined, is: Arithmetic): void {
  if (!was || !is) return;
  const texts = [
    ...(was.library === is.library ? [] : [`products by ${is.library} instead of ${was.library}`]),
    ...(was.threads === is.threads ? [] : [`${is.threads} threads instead of ${was.threads}`]),
  ];
  if (texts.length === 0) return;
  process.emitWarning(
    `${directory} goes on with ${texts.join(' and ')}: the rest differs by rounding from that of a run that was never ` +
      `interrupted. For the same bits give \`matmul: '${was.library}'\` and \`threads: ${was.threads}\`.`,
    { code: 'PERMAFROST_OTHER_ARITHMETIC' },
  );
}
