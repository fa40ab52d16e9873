import { PermafrostError } from '../errors/error.js';

/** What multiplies the large matrices of a model on a CPU, and how that is chosen. */
export const MATMULS = ['auto', 'libtorch', 'onednn', 'own'] as const;

type Matmul = (typeof MATMULS)[number];

/**
 * The library that the engine is told: the option, else `PERMAFROST_MATMUL`, else `auto`.
 *
 * @throws INVALID_OPTION where the variable names none
 */
export function matmulOf(option: Matmul, environment: NodeJS.ProcessEnv = process.env): Matmul {
  const named = environment.PERMAFROST_MATMUL || 'auto';
  const matmul = MATMULS.find((name) => name === named);
  if (matmul === undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `PERMAFROST_MATMUL: expected one of ${MATMULS.join(', ')}, got '${named}'.`,
      { option: 'PERMAFROST_MATMUL', expected: MATMULS, got: named },
    );
  }
  return option === 'auto' ? matmul : option;
}
