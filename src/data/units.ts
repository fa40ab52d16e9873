/** UTF-16 unit at which each code point begins, with the text's end; null where each code point is one unit. */
export function unitsOf(text: string): Int32Array | null {
  if (!/[\ud800-\udbff][\udc00-\udfff]/.test(text)) return null;
  const units = new Int32Array(text.length + 1);
  let count = 0;
  for (let i = 0; i < text.length; count++) {
    units[count] = i;
    i += text.codePointAt(i)! > 0xffff ? 2 : 1;
  }
  units[count] = text.length;
  return units.subarray(0, count + 1);
}
