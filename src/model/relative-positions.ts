import { z } from 'zod';
import type { RelativePositions } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';

/** DeBERTa's own fields in `config.json`, with the defaults of Hugging Face's DebertaV2Config. */
const schema = z.looseObject({
  hidden_size: z.int().positive(),
  num_attention_heads: z.int().positive(),
  max_position_embeddings: z.int().positive().default(512),
  position_buckets: z.int().default(-1),
  max_relative_positions: z.int().default(-1),
  pos_att_type: z.union([z.string(), z.array(z.string())]).nullish(),
  norm_rel_ebd: z.string().default('none'),
  conv_kernel_size: z.int().nullish(),
});

/** The two comparisons of contents with positions there are, by their names in `pos_att_type`. */
const TERMS = { c2p: 'contentToPosition', p2c: 'positionToContent' } as const;

/**
 * Disentangled attention as `config.json` describes it.
 *
 * @throws INVALID_OPTION; UNSUPPORTED_MODEL naming the field whose value is not supported
 */
export function readRelativePositions(
  config: Readonly<Record<string, unknown>>,
  where: string,
): RelativePositions {
  const hf = parseOptions(schema, config, where);
  const required: [field: string, got: unknown, expected: unknown][] = [
    ['relative_attention', config.relative_attention ?? false, true],
    ['share_att_key', config.share_att_key ?? false, true],
    ['position_biased_input', config.position_biased_input ?? true, false],
    ['conv_kernel_size', Math.max(0, hf.conv_kernel_size ?? 0), 0],
    ['embedding_size', config.embedding_size ?? hf.hidden_size, hf.hidden_size],
    [
      'attention_head_size',
      config.attention_head_size ?? hf.hidden_size / hf.num_attention_heads,
      hf.hidden_size / hf.num_attention_heads,
    ],
  ];
  for (const [field, got, expected] of required) {
    if (got !== expected) throw refuseField(where, field, config[field], JSON.stringify(expected));
  }
  const terms = namesIn(hf.pos_att_type ?? []);
  if (terms.length === 0 || terms.some((term) => !(term in TERMS))) {
    throw refuseField(where, 'pos_att_type', hf.pos_att_type, 'c2p, p2c or both');
  }
  const norms = namesIn(hf.norm_rel_ebd);
  if (norms.some((norm) => norm !== 'layer_norm' && norm !== 'none')) {
    throw refuseField(where, 'norm_rel_ebd', hf.norm_rel_ebd, "'layer_norm' or 'none'");
  }
  return {
    buckets: Math.max(0, hf.position_buckets),
    maxDistance: hf.max_relative_positions > 0 ? hf.max_relative_positions : hf.max_position_embeddings,
    contentToPosition: terms.includes('c2p'),
    positionToContent: terms.includes('p2c'),
    layerNorm: norms.includes('layer_norm'),
  };
}

/** The same in DeBERTa's fields. */
export function writeRelativePositions(relative: RelativePositions): Record<string, unknown> {
  return {
    relative_attention: true,
    share_att_key: true,
    position_biased_input: false,
    position_buckets: relative.buckets > 0 ? relative.buckets : -1,
    max_relative_positions: relative.maxDistance,
    pos_att_type: Object.entries(TERMS).flatMap(([name, term]) => (relative[term] ? [name] : [])),
    norm_rel_ebd: relative.layerNorm ? 'layer_norm' : 'none',
  };
}

/** What to throw where a field has a value that the engine does not compute. */
export function refuseField(where: string, field: string, got: unknown, expected: string): PermafrostError {
  const value = got === undefined ? 'left out' : JSON.stringify(got);
  return new PermafrostError(
    'UNSUPPORTED_MODEL',
    `${where}: ${field} ${value} is not supported. Expected ${expected}.`,
    { field, got },
  );
}

/** `"p2c|c2p"`, as older files have it, or a list. */
function namesIn(value: string | string[]): string[] {
  const names = typeof value === 'string' ? value.split('|') : value;
  return names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
}
