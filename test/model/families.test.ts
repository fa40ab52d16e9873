import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bottomUp, interleaved, only, type Strategy, TokenClassifier, topDown } from '../../src/index.js';
import { FAMILIES, PREFIXES } from '../helpers/families.js';
import { type RawTensor, rawTensors, writeTensorFile } from '../helpers/safetensors-file.js';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, bytesOf, changedNames, weightsOf, withLoaded, withModel } from '../helpers/with-model.js';

/** Heads and buffers that published checkpoints of a family hold. */
const OTHER_HEADS: Readonly<Record<string, string[]>> = {
  bert: ['bert.pooler.dense.weight', 'cls.predictions.bias', 'bert.embeddings.position_ids'],
  roberta: ['roberta.pooler.dense.weight', 'lm_head.dense.weight', 'roberta.embeddings.position_ids'],
  'xlm-roberta': ['roberta.pooler.dense.bias', 'lm_head.bias'],
  camembert: ['lm_head.layer_norm.weight', 'roberta.embeddings.position_ids'],
  distilbert: [
    'vocab_transform.weight',
    'vocab_layer_norm.bias',
    'vocab_projector.bias',
    'pre_classifier.bias',
  ],
  electra: ['discriminator_predictions.dense.weight', 'generator_lm_head.bias'],
  'deberta-v2': [
    'lm_predictions.lm_head.bias',
    'mask_predictions.dense.weight',
    'deberta.pooler.dense.weight',
  ],
};

const PLANS: Record<string, Strategy> = {
  'bottom-up': bottomUp(2),
  'top-down': topDown(2),
  interleaved: interleaved(),
  'embeddings alone': only({ embeddings: true }),
  'a layer in the middle': only({ layers: [1] }),
  attention: only({ embeddings: true, attention: 'all' }),
  'feed-forward': only({ embeddings: true, feedForward: [0, 2] }),
  'LayerNorm and biases': only({ embeddings: true, layerNorm: 'all', bias: 'all' }),
};

describe.each(Object.keys(FAMILIES))('a model of type %s', (family) => {
  const root = mkdtempSync(join(tmpdir(), 'permafrost-family-'));
  const original = join(root, 'original');
  const prefix = PREFIXES[family]!;
  let tensors: RawTensor[];
  let copies = 0;
  beforeAll(async () => {
    await withModel((model) => model.save(original), FAMILIES[family]);
    tensors = rawTensors(join(original, 'model.safetensors'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** The saved model with other tensors in its file. */
  function withTensors(content: RawTensor[]): string {
    const directory = join(root, `copy-${copies++}`);
    cpSync(original, directory, { recursive: true });
    writeTensorFile(join(directory, 'model.safetensors'), content);
    return directory;
  }

  it('is loaded, trained, saved and loaded again to the same bits', async () => {
    const trained = join(root, 'trained');
    await withLoaded(original, async (model) => {
      const before = await weightsOf(model);
      const trainer = await model.trainer({ learningRate: 1e-2 });
      for (let i = 0; i < 3; i++) await trainer.step(BATCH);
      expect(changedNames(before, await weightsOf(model)).length).toBeGreaterThan(20);
      await model.save(trained);
      const [weights, logits] = [await weightsOf(model), await model.logits(BATCH)];
      await withLoaded(trained, async (again) => {
        expect(again.loadReport).toEqual({ fresh: [], unused: [] });
        expect(again.config).toEqual(model.config);
        expect(changedNames(weights, await weightsOf(again))).toEqual([]);
        expect(bytesOf((await again.logits(BATCH)).data)).toBe(bytesOf(logits.data));
      });
    });
  });

  it('writes its own fields and names', () => {
    const config = JSON.parse(readFileSync(join(original, 'config.json'), 'utf8'));
    expect(config.model_type).toBe(family);
    expect(config.architectures[0]).toMatch(/ForTokenClassification$/);
    expect(config).toHaveProperty(family === 'distilbert' ? 'n_layers' : 'num_hidden_layers', 4);
    expect(config).not.toHaveProperty(family === 'distilbert' ? 'hidden_size' : 'dim');
    const encoder = tensors.filter(({ name }) => !name.startsWith('classifier.'));
    expect(encoder.every(({ name }) => name.startsWith(prefix))).toBe(true);
  });

  it('names a missing tensor and an unexpected one', async () => {
    const lost = tensors.find(({ name }) => name.includes('layer.1.'))!.name;
    const missing = await thrownBy(() =>
      withLoaded(withTensors(tensors.filter(({ name }) => name !== lost)), () => undefined),
    );
    expect(missing.code).toBe('WEIGHTS_MISMATCH');
    expect(missing.message).toContain(`lacks 1 tensor that the model needs: '${lost}'`);

    const foreign = lost.replace('layer.1.', 'layer.9.');
    const extra = { ...tensors.find(({ name }) => name === lost)!, name: foreign };
    const unexpected = await thrownBy(() => withLoaded(withTensors([...tensors, extra]), () => undefined));
    expect(unexpected.code).toBe('WEIGHTS_MISMATCH');
    expect(unexpected.message).toContain(`'${foreign}'`);
  });

  it('takes a pretrained encoder, with other heads or bare, and says that its own head is fresh', async () => {
    const head = ['classifier.weight', 'classifier.bias'];
    const encoder = tensors.filter(({ name }) => !head.includes(name));
    const others = OTHER_HEADS[family]!.map(
      (name): RawTensor => ({ name, dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }),
    );
    const bare = encoder.map((tensor) => ({ ...tensor, name: tensor.name.slice(prefix.length) }));
    for (const [content, unused] of [
      [[...encoder, ...others], OTHER_HEADS[family]!],
      [bare, []],
    ] as const) {
      await withLoaded(withTensors([...content]), async (model) => {
        expect(model.loadReport).toEqual({ fresh: head, unused });
        const name = encoder[5]!.name;
        expect(new Uint8Array((await model.readParameter(name)).buffer)).toEqual(encoder[5]!.bytes);
      });
    }
  });

  it('gives a sequence the same scores alone and among others', async () => {
    const inputIds = [[2, 7, 8, 9, 3], Array.from({ length: 20 }, (_, i) => 2 + ((i * 7) % 40)), [4]];
    await withLoaded(original, async (model) => {
      const together = (await model.logits({ inputIds })).data;
      let at = 0;
      for (const sequence of inputIds) {
        const alone = (await model.logits({ inputIds: [sequence] })).data;
        expect(maxDifference(together.subarray(at, at + alone.length), alone)).toBeLessThan(1e-6);
        at += alone.length;
      }
    });
  });

  it.each(Object.keys(PLANS))('keeps the bytes of what is frozen, and only those: %s', async (name) => {
    await withLoaded(original, async (model) => {
      const before = await weightsOf(model);
      await model.freeze(PLANS[name]!.plan(4));
      const trainer = await model.trainer({ learningRate: 1e-2, schedule: 'constant' });
      for (let i = 0; i < 2; i++) await trainer.step(BATCH);
      const changed = new Set(changedNames(before, await weightsOf(model)));
      for (const { name: parameter, trainable } of model.parameters()) {
        // A gradient of 0 but for rounding noise; see the parity tests.
        if (trainable && /\.(key|k_lin)\.bias$/.test(parameter)) continue;
        expect(changed.has(parameter), parameter).toBe(trainable);
      }
      const embeddings = model.parameters().filter((parameter) => isEmbedding(parameter.name));
      const frozen = PLANS[name]!.plan(4).embeddings;
      expect(embeddings.every(({ trainable }) => trainable === !frozen)).toBe(true);
    });
  });
});

/** What is frozen with the embeddings: also what stands beside them and outside the layers. */
function isEmbedding(name: string): boolean {
  return !/\.layer\.\d|^classifier\./.test(name);
}

describe('DeBERTa variants that are not computed', () => {
  const root = mkdtempSync(join(tmpdir(), 'permafrost-deberta-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each([
    ['conv_kernel_size', 3],
    ['share_att_key', false],
    ['relative_attention', false],
    ['position_biased_input', true],
    ['pos_att_type', ['c2p', 'p2p']],
    ['pos_att_type', []],
    ['norm_rel_ebd', 'batch_norm'],
    ['embedding_size', 8],
    ['attention_head_size', 4],
  ])('%s %j is refused by name', async (field, value) => {
    const directory = join(root, 'model');
    await withModel((model) => model.save(directory), FAMILIES['deberta-v2']);
    const file = join(directory, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, [field]: value }));
    const error = await thrownBy(() => TokenClassifier.load(directory));
    expect(error.code).toBe('UNSUPPORTED_MODEL');
    expect(error.message).toContain(`${field} ${JSON.stringify(value)} is not supported`);
  });

  it('fields as older files write them are read', async () => {
    const older = {
      model_type: 'deberta-v2',
      vocab_size: 50,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 32,
      max_position_embeddings: 24,
      relative_attention: true,
      share_att_key: true,
      position_biased_input: false,
      pos_att_type: 'p2c|c2p',
      position_buckets: 8,
      norm_rel_ebd: 'layer_norm',
      num_labels: 3,
    };
    const model = await TokenClassifier.create(older, { threads: 1 });
    try {
      expect(model.config.relativePositions).toEqual({
        buckets: 8,
        maxDistance: 24,
        contentToPosition: true,
        positionToContent: true,
        layerNorm: true,
      });
      expect(model.config.layerNormEps).toBe(1e-7);
      expect((await model.logits(BATCH)).shape).toEqual([9, 3]);
    } finally {
      await model.dispose();
    }
  });
});
