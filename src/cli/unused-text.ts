/** Names that the line about unused tensors holds. */
const NAMED = 3;

/** A line about the tensors of a checkpoint that were left out, null where there are none. */
export function unusedText(unused: readonly string[]): string | null {
  if (unused.length === 0) return null;
  const names = unused.slice(0, NAMED).join(', ');
  return unused.length === 1
    ? `1 tensor of the checkpoint is not used: ${names}`
    : `${unused.length} tensors of the checkpoint are not used: ${names}${unused.length > NAMED ? ', …' : ''}`;
}
