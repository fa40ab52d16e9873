import type { PermafrostError } from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';

/** How an error comes about through one face of the package, and how what its message advises ends it. */
export interface Provocation {
  provoke(): Promise<Told>;
  /** Does what the remedy says; fails where the error stays. */
  mend(): Promise<void>;
  /** What the message must hold. */
  says: RegExp;
}

/** An error as its face tells it. */
export interface Told {
  code: string;
  message: string;
  /** Of a command; null for a call. */
  exit: number | null;
}

/** A case, or why a face cannot come to it. */
export type Faces = Record<'api' | 'cli', Provocation | string>;

/** A call that fails, and one that does not. */
export function call(fails: () => unknown, works: () => unknown, says: RegExp): Provocation {
  return {
    says,
    async provoke() {
      const { code, message }: PermafrostError = await thrownBy(fails);
      return { code, message, exit: null };
    },
    async mend() {
      await works();
    },
  };
}

/** How the other face spells its options: flags for a call, camel case for a command. Commands in quotes are both's. */
export function namesOfOther(face: 'api' | 'cli'): RegExp {
  return face === 'api' ? /(?<=^[^"]*("[^"]*"[^"]*)*)(?<![\w-])--[a-z]/ : /`|(?<![\w/.=&-])[a-z]+[A-Z]\w*/;
}
