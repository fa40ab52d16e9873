/** A part of the line about how far a training has come. */
export interface Segment {
  text: string;
  /** Where there is no room for all, those with the highest number are left out; 0 is shown whole in any case. */
  priority: number;
}

const GAP = '  ';

/** The segments that find room, in their order. */
export function fitSegments(segments: readonly Segment[], columns: number): string {
  const kept = new Set<Segment>();
  let length = 0;
  const given = segments.filter(({ text }) => text !== '');
  for (const segment of given.toSorted((a, b) => a.priority - b.priority)) {
    const longer = length + (kept.size > 0 ? GAP.length : 0) + segment.text.length;
    if (segment.priority > 0 && longer > columns) continue;
    kept.add(segment);
    length = longer;
  }
  return given
    .filter((segment) => kept.has(segment))
    .map(({ text }) => text)
    .join(GAP);
}

/** A bar of so many characters. @param share 0 to 1 */
export function barText(share: number, width: number): string {
  const done = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '━'.repeat(done) + '─'.repeat(width - done);
}

/** `0:08`, `2:05`, `1:02:05`, `5 d 03 h`. */
export function clockText(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `950`, `12.3k`, `1.2M`: three digits or so. */
export function shortNumber(value: number): string {
  for (const [unit, name] of [
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= 0.9995 * unit) return `${(value / unit).toFixed(value >= 99.95 * unit ? 0 : 1)}${name}`;
  }
  return value.toFixed(0);
}

/** A loss in six characters, as long as it is below 10,000. */
export function lossText(loss: number): string {
  return loss.toFixed(loss < 10 ? 4 : loss < 100 ? 3 : loss < 1000 ? 2 : 1);
}
