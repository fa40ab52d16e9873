import { PermafrostError } from '../../errors/error.js';
import { didYouMean } from '../../errors/message.js';
import { conll2003 } from './conll2003.js';
import { demo, demoKk } from './demo.js';
import { kaznerd } from './kaznerd.js';
import type { Preset } from './preset.js';

/** Every preset. */
export const PRESETS: readonly Preset[] = [demo, demoKk, conll2003, kaznerd];

/**
 * Finds a preset.
 *
 * @throws INVALID_OPTION listing the presets that exist.
 */
export function presetByName(name: string): Preset {
  const preset = PRESETS.find((candidate) => candidate.name === name);
  if (preset) return preset;
  const names = PRESETS.map((candidate) => candidate.name);
  const meant = didYouMean(name, names);
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`preset\`: expected one of ${names.join(', ')}, got "${name}".${meant ? ` Did you mean "${meant}"?` : ''}`,
    { option: 'preset', expected: names, got: name },
  );
}
