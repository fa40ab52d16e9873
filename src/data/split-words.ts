/** Words are runs of letters, marks and digits; any other character but white space is a word of its own. */
export function splitWords(text: string): string[] {
  return text.match(/[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu) ?? [];
}
