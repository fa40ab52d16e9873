/** Size of text in pixels: of all, of headings of panels. */
export const TEXT = 12;
export const SMALL = 11;
export const HEADING = 13;

/** A rectangle in pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** About how wide a text is; rather too wide than too narrow, since every machine has another typeface. */
export function textWidth(text: string, size = TEXT): number {
  let width = 0;
  for (const character of text) {
    if (/[ijlI.,:;'|!()[\] ]/.test(character)) width += 0.36;
    else if (/[mwMW@%→↑±]/.test(character)) width += 0.95;
    else if (/[A-Z]/.test(character)) width += 0.72;
    // Ideographs and kana are as wide as high.
    else if (character >= '\u2E80') width += 1.05;
    else width += 0.6;
  }
  return width * size;
}

/** The text, cut with an ellipsis where it is wider than there is room. */
export function fitText(text: string, width: number, size = TEXT): string {
  if (textWidth(text, size) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size) > width) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

/**
 * Moves heights of labels apart so that none is nearer than `gap` to the next, each as near to where it wants to be as
 * the others allow.
 *
 * @param wanted heights, in any order
 * @param bounds first and last height that a label may have, where there is room for all
 * @returns heights in the order of `wanted`
 */
export function spreadLabels(
  wanted: readonly number[],
  gap: number,
  bounds: readonly [number, number],
): number[] {
  const order = [...wanted.keys()].sort((a, b) => wanted[a]! - wanted[b]! || a - b);
  // Runs of labels that touch, each around the mean of what its labels want.
  const runs: { members: number[]; start: number }[] = [];
  const start = (members: readonly number[]) => {
    const ideal = members.reduce((sum, index, at) => sum + wanted[index]! - at * gap, 0) / members.length;
    const last = bounds[1] - (members.length - 1) * gap;
    return Math.max(bounds[0], Math.min(ideal, last));
  };
  for (const index of order) {
    let run = { members: [index], start: start([index]) };
    let before = runs.at(-1);
    while (before !== undefined && before.start + before.members.length * gap > run.start) {
      const members = [...before.members, ...run.members];
      run = { members, start: start(members) };
      runs.pop();
      before = runs.at(-1);
    }
    runs.push(run);
  }
  const heights: number[] = [];
  for (const run of runs)
    for (const [at, index] of run.members.entries()) heights[index] = run.start + at * gap;
  return heights;
}

/**
 * Finds a place beside each point for its label, without overlap with points or other labels; null where there is none.
 *
 * @param points their centres, in the order in which they choose
 * @param radius kept free around every point
 */
export function placeBeside(
  points: readonly { x: number; y: number; width: number }[],
  { radius, height, within }: { radius: number; height: number; within: Box },
): (Box | null)[] {
  const taken: Box[] = points.map(({ x, y }) => ({
    x: x - radius,
    y: y - radius,
    width: 2 * radius,
    height: 2 * radius,
  }));
  return points.map(({ x, y, width }) => {
    const [right, left, middle] = [x + radius + 2, x - radius - 2 - width, x - width / 2];
    const places = [0, -0.7, 0.7, -1.3, 1.3, -2, 2].flatMap((shift) => {
      const top = y - height / 2 + shift * height;
      return [
        { x: right, y: top },
        { x: left, y: top },
        ...(Math.abs(shift) > 1 ? [{ x: middle, y: top }] : []),
      ];
    });
    for (const place of places) {
      const box = { ...place, width, height };
      if (!isInside(box, within) || taken.some((other) => overlaps(box, other))) continue;
      taken.push(box);
      return box;
    }
    return null;
  });
}

export function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function isInside(box: Box, outer: Box): boolean {
  return (
    box.x >= outer.x &&
    box.y >= outer.y &&
    box.x + box.width <= outer.x + outer.width &&
    box.y + box.height <= outer.y + outer.height
  );
}
