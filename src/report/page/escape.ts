const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/**
 * Text as HTML, within an element or a quoted attribute. Words, labels and names of files come from users: what would
 * become markup is escaped, and characters that steer terminals or turn the direction of the text around them are named.
 */
export function escapeHtml(text: string): string {
  return text.replace(UNSAFE, (character) => ENTITIES[character] ?? named(character));
}

// C0 and C1 controls but tab and line ends, and the characters that override or isolate a direction.
const UNSAFE = /[&<>"]|[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu;

function named(character: string): string {
  if (/[\t\n\r]/.test(character)) return character;
  return `⟨U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}
