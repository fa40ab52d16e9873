import { createRequire } from 'node:module';
import { PermafrostError } from '../errors/error.js';

/** Hugging Face's `tokenizers`, built for one platform a package. */
export const TOKENIZERS_PACKAGE = '@anush008/tokenizers';

// What is used of it. The package's own declarations do not compile where libraries are checked.

export interface PreTokenizer {
  preTokenizeString(text: string): [piece: string, range: [start: number, end: number]][];
}

export interface Normalizer {
  normalizeString(text: string): string;
}

export interface Encoding {
  getIds(): number[];
  /** In code points. */
  getOffsets(): number[][];
  getWordIds(): (number | null | undefined)[];
}

export interface NativeTokenizer {
  encode(text: string, pair: null, options: { addSpecialTokens: boolean }): Promise<Encoding>;
  getNormalizer(): Normalizer | null;
  getPreTokenizer(): PreTokenizer | null;
}

interface Library {
  Tokenizer: { fromString(json: string): NativeTokenizer };
}

let loaded: Library | undefined;

/**
 * Loads the library on first use: what needs no tokenizer works where its binary, an optional dependency, is missing.
 *
 * @throws ADDON_MISSING
 */
export function tokenizersLibrary(load: (name: string) => unknown = createRequire(import.meta.url)): Library {
  try {
    loaded ??= load(TOKENIZERS_PACKAGE) as Library;
    return loaded;
  } catch (cause) {
    const remedy =
      'Install the package again with its optional dependencies ("npm install --include=optional permafrost").';
    throw new PermafrostError(
      'ADDON_MISSING',
      `The package ${TOKENIZERS_PACKAGE} does not load for ${process.platform} ${process.arch}: ` +
        `${(cause as Error).message.split('\n', 1)[0]}. ${remedy}`,
      { package: TOKENIZERS_PACKAGE, remedy },
      { cause },
    );
  }
}
