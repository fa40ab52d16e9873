import { PermafrostError } from '../../errors/error.js';
import type { Steps } from '../../io/turns.js';
import { damagedOnnx, type OnnxGraph, type OnnxNode, type OnnxTensor, readOnnxGraph } from './onnx-graph.js';
import { contiguous, type StoredTensor, withWeights } from './stored-tensor.js';

/** Operations that optimizers make of several layers, with weights that belong to no one of them. */
const FUSED = new Set([
  'Attention',
  'QAttention',
  'PackedAttention',
  'MatMulNBits',
  'MatMulBnb4',
  'GatherBlockQuantized',
]);

/** What stands for numbers in eight bits: (stored - zero) * scale, one of each or one a row of `axis`. */
interface Quantization {
  scale: OnnxTensor;
  zero: OnnxTensor | null;
  axis: number;
}

/** A constant matrix where an operation takes it. */
interface Constant {
  tensor: OnnxTensor;
  /** Whether the operation sees rows as columns. */
  isTransposed: boolean;
  quantization: Quantization | null;
}

/**
 * Lists the weights of an encoder that was exported to ONNX, under their names in Hugging Face's checkpoints: in fp32 or
 * fp16, or in eight bits as dynamic quantization leaves them (ONNX Runtime's, Optimum's), from which the rounded weights
 * come.
 *
 * Exporters keep the names of biases, LayerNorms and embeddings, and lose those of matrices (`onnx::MatMul_123`): a
 * matrix is then named after the bias that is added to its product.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT; UNSUPPORTED_MODEL for an export whose operations were fused
 */
export async function readOnnxFile(file: string): Promise<StoredTensor[]> {
  return withWeights(file, async (size, read) => {
    const graph = await readOnnxGraph(file, size, read);
    try {
      return await new WeightFinder(file, graph).tensors();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw damagedOnnx(file, error.message);
    }
  });
}

class WeightFinder {
  readonly #file: string;
  readonly #graph: OnnxGraph;
  readonly #makers = new Map<string, OnnxNode>();
  readonly #users = new Map<string, OnnxNode[]>();
  readonly #found = new Map<string, StoredTensor>();
  /** Initializers that stand for a weight, or for a part of one. */
  readonly #seen = new Set<string>();

  constructor(file: string, graph: OnnxGraph) {
    this.#file = file;
    this.#graph = graph;
    for (const node of graph.nodes) {
      for (const name of node.outputs) this.#makers.set(name, node);
      for (const name of node.inputs) {
        const users = this.#users.get(name);
        if (users) users.push(node);
        else this.#users.set(name, [node]);
      }
      // Exporters keep one of several equal tensors, and the names of the others as copies of it.
      const copied = node.operation === 'Identity' ? graph.tensors.get(node.inputs[0] ?? '') : undefined;
      const [name] = node.outputs;
      if (copied !== undefined && name !== undefined) graph.tensors.set(name, { ...copied, name });
    }
  }

  async tensors(): Promise<StoredTensor[]> {
    const fused = this.#graph.nodes.find(({ operation }) => FUSED.has(operation));
    if (fused !== undefined) {
      throw new PermafrostError(
        'UNSUPPORTED_MODEL',
        `${this.#file} was optimized: its operation ${fused.operation} holds weights in a form of its own. Take the plain ` +
          'export of the model (fp32 or fp16, or dynamically quantized to int8).',
        { file: this.#file, operation: fused.operation },
      );
    }
    for (const node of this.#graph.nodes) {
      if (node.operation === 'Gather') await this.#table(node);
      else if (['MatMul', 'Gemm', 'MatMulInteger'].includes(node.operation)) await this.#matrix(node);
    }
    for (const tensor of this.#graph.tensors.values()) {
      // What has a path for a name is a parameter; what has not is a constant of the arithmetic.
      const isParameter = tensor.place !== null && /^[\w-]+(\.[\w-]+)+$/.test(tensor.name);
      if (this.#seen.has(tensor.name) || !isParameter) continue;
      await this.#keep(tensor.name, { tensor, isTransposed: false, quantization: null });
    }
    return [...this.#found.values()];
  }

  /** A table of embeddings. */
  async #table({ inputs, outputs }: OnnxNode): Promise<void> {
    const constant = this.#constant(inputs[0]);
    if (constant === null || constant.tensor.shape.length !== 2) return;
    const quantization = constant.quantization ?? this.#quantizationOf(outputs[0]);
    await this.#keep(plainName(constant.tensor), { ...constant, quantization });
  }

  /** The quantization of rows that were taken from a table. */
  #quantizationOf(rows: string | undefined): Quantization | null {
    for (const user of this.#usersOf(rows)) {
      if (user.operation === 'DequantizeLinear') return this.#dequantization(user);
      if (user.operation !== 'Cast') continue;
      for (const scaled of this.#usersOf(user.outputs[0])) {
        const factor = scaled.operation === 'Mul' && otherInput(scaled, user.outputs[0]!);
        const maker = factor ? this.#makers.get(factor) : undefined;
        const scale = this.#tensor(maker?.operation === 'Gather' ? maker.inputs[0] : undefined);
        if (scale !== undefined) return { scale, zero: null, axis: 0 };
      }
    }
    return null;
  }

  /** The matrix of a linear map, x M, which Hugging Face keeps as its transpose. */
  async #matrix(node: OnnxNode): Promise<void> {
    const constant = this.#constant(node.inputs[1]);
    if (constant === null || constant.tensor.shape.length !== 2) return;
    const { tensor, isTransposed } = constant;
    let { quantization } = constant;
    let product = node.outputs[0];
    let isGiven = isTransposed;
    let bias = this.#tensor(undefined);
    if (node.operation === 'Gemm') {
      const isPlain = ['alpha', 'beta'].every((name) => (node.attributes.get(name)?.[0] ?? 1) === 1);
      if (!isPlain) throw new SyntaxError(`its product with '${tensor.name}' has a factor`);
      if (node.attributes.get('transB')?.[0] === 1) isGiven = !isGiven;
      bias = this.#tensor(node.inputs[2]);
    }
    if (node.operation === 'MatMulInteger') {
      const scaled = this.#scaling(product);
      if (scaled === null)
        throw new SyntaxError(`the product with '${tensor.name}' is scaled by no constant`);
      const zero = this.#tensor(node.inputs[3]) ?? null;
      quantization = { scale: scaled.scale, zero, axis: isTransposed ? 0 : 1 };
      product = scaled.product;
    }
    bias ??= this.#added(product);
    const name = nameOfMatrix(tensor, bias);
    if (name !== null) await this.#keep(name, { tensor, isTransposed: !isGiven, quantization });
  }

  /** What the sums of a product of integers are multiplied with: the scale of the activations times that of the matrix. */
  #scaling(sums: string | undefined): { scale: OnnxTensor; product: string } | null {
    for (const cast of this.#usersOf(sums)) {
      const [numbers] = cast.outputs;
      for (const scaled of this.#usersOf(numbers)) {
        if (scaled.operation !== 'Mul') continue;
        const factor = this.#makers.get(otherInput(scaled, numbers!) ?? '');
        const scale =
          factor?.operation === 'Mul' && factor.inputs.map((name) => this.#tensor(name)).find(Boolean);
        if (scale) return { scale, product: scaled.outputs[0] ?? '' };
      }
    }
    return null;
  }

  /** The constant vector that is added to a product. */
  #added(product: string | undefined): OnnxTensor | undefined {
    const sums = this.#usersOf(product).filter(({ operation }) => operation === 'Add');
    const biases = sums.map((sum) => this.#tensor(otherInput(sum, product!)));
    return biases.find((tensor) => tensor?.shape.length === 1);
  }

  /** The tensor behind an input, through what only changes how it is written. */
  #constant(input: string | undefined): Constant | null {
    let isTransposed = false;
    let quantization: Quantization | null = null;
    for (let name = input; name !== undefined; ) {
      const tensor = this.#tensor(name);
      if (tensor !== undefined) return { tensor, isTransposed, quantization };
      const maker = this.#makers.get(name);
      if (maker?.operation === 'DequantizeLinear') quantization = this.#dequantization(maker);
      else if (maker?.operation === 'Transpose') isTransposed = !isTransposed;
      else if (maker?.operation !== 'Cast' && maker?.operation !== 'Identity') return null;
      name = maker.inputs[0];
    }
    return null;
  }

  #dequantization({ inputs, attributes }: OnnxNode): Quantization {
    const scale = this.#tensor(inputs[1]);
    if (scale === undefined || (attributes.get('block_size')?.[0] ?? 0) > 0)
      throw new SyntaxError(`the scale of '${inputs[0]}' is not one number, or one a row or column`);
    return { scale, zero: this.#tensor(inputs[2]) ?? null, axis: attributes.get('axis')?.[0] ?? 1 };
  }

  #tensor(name: string | undefined): OnnxTensor | undefined {
    return name === undefined ? undefined : this.#graph.tensors.get(name);
  }

  #usersOf(name: string | undefined): OnnxNode[] {
    return (name !== undefined && this.#users.get(name)) || [];
  }

  /** One weight may be used, or even be kept, more than once: the first time counts. */
  async #keep(name: string, constant: Constant): Promise<void> {
    const { tensor, quantization } = constant;
    for (const part of [tensor, quantization?.scale, quantization?.zero]) if (part) this.#seen.add(part.name);
    if (!this.#found.has(name)) this.#found.set(name, await storedTensor(name, constant));
  }
}

async function storedTensor(
  name: string,
  { tensor, isTransposed, quantization }: Constant,
): Promise<StoredTensor> {
  const { dtype, place, shape } = tensor;
  if (place === null) throw new SyntaxError(`the elements of '${tensor.name}' are not in one piece`);
  const outer = isTransposed ? [...shape].reverse() : shape;
  const stored: StoredTensor = { ...place, name, dtype, shape: outer };
  if (quantization !== null) {
    const numbers = await numbersOf(tensor, quantization);
    return { ...stored, dtype: 'F32', arrange: (bytes) => dequantized(bytes, shape, isTransposed, numbers) };
  }
  if (!isTransposed) return stored;
  const [, columns] = shape;
  const width = dtype === 'F32' ? 4 : 2;
  return { ...stored, arrange: (bytes) => contiguous(bytes, width, outer, [1, columns!]) };
}

/** Scales and zero points, one for each place along an axis. */
interface QuantizedNumbers {
  isSigned: boolean;
  scales: Float32Array;
  zeros: Float32Array;
  axis: number;
}

async function numbersOf(
  { name, dtype, shape }: OnnxTensor,
  { scale, zero, axis }: Quantization,
): Promise<QuantizedNumbers> {
  if (dtype !== 'I8' && dtype !== 'U8')
    throw new SyntaxError(`'${name}' is quantized to type ${dtype}, expected int8 or uint8`);
  const from = axis < 0 ? axis + shape.length : axis;
  const count = shape[from];
  const along = (numbers: number[]): Float32Array => {
    if (numbers.length === count) return Float32Array.from(numbers);
    if (numbers.length === 1) return new Float32Array(count ?? 0).fill(numbers[0]!);
    throw new SyntaxError(`'${name}' of shape [${shape}] has ${numbers.length} scales or zero points`);
  };
  const zeros = along(zero === null ? [0] : await zero.numbers());
  return { isSigned: dtype === 'I8', scales: along(await scale.numbers()), zeros, axis: from };
}

function* dequantized(
  bytes: Uint8Array,
  shape: readonly number[],
  isTransposed: boolean,
  { isSigned, scales, zeros, axis }: QuantizedNumbers,
): Steps<Uint8Array> {
  const [rows, columns] = shape as [number, number];
  const from = isSigned ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
  const result = new Float32Array(rows * columns);
  const [rowStep, columnStep] = isTransposed ? [1, rows] : [columns, 1];
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const place = axis === 0 ? row : column;
      result[row * rowStep + column * columnStep] = (from[at]! - zeros[place]!) * scales[place]!;
    }
    yield;
  }
  return new Uint8Array(result.buffer);
}

/** A tensor's name without what quantizers and exporters put behind it. */
function plainName({ name }: OnnxTensor): string {
  return name.replace(/_quantized$/, '').replace(/\.T$|_transposed$/, '');
}

function nameOfMatrix(tensor: OnnxTensor, bias: OnnxTensor | undefined): string | null {
  const name = plainName(tensor);
  if (/\.weight$/.test(name)) return name;
  const of = bias === undefined ? '' : plainName(bias);
  return /\.bias$/.test(of) ? of.replace(/bias$/, 'weight') : null;
}

function otherInput({ inputs }: OnnxNode, name: string): string | undefined {
  return inputs.find((input) => input !== name);
}
