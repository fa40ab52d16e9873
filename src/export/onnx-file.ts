import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { writeStreamAtomic } from '../io/atomic-write.js';
import { ProtobufWriter } from '../io/protobuf.js';
import type { Attribute, Graph, GraphNode, GraphValue, Initializer } from './onnx-graph.js';
import { ELEMENT_TYPES } from './onnx-graph.js';

/** Version of the operators that graphs are made of: the first with LayerNormalization. */
export const OPSET = 17;
/** Version of the file format that came with it. */
const IR_VERSION = 8;

/** Beyond it no reader of Protocol Buffers takes a message. */
const MOST_MESSAGE_BYTES = 2 ** 31 - 1;
/** Smaller tensors stay in the graph, where shapes are inferred from them. */
const LEAST_EXTERNAL_BYTES = 1024;
/** Where tensors of a file of their own begin, so that they can be mapped into memory. */
const ALIGNMENT = 4096;

/** Numbers of the fields in onnx.proto. */
const MODEL = { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8 };
const OPERATOR_SET = { version: 2 };
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 };
const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, float: 2, integer: 3, integers: 8, type: 20 };
const ATTRIBUTE_TYPES = { float: 1, integer: 2, integers: 7 };
const TENSOR = { dims: 1, dataType: 2, name: 8, rawData: 9, externalData: 13, dataLocation: 14 };
const EXTERNAL = 1;
const ENTRY = { key: 1, value: 2 };
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { elementType: 1, shape: 2 };
const SHAPE = { dimension: 1 };
const DIMENSION = { size: 1, name: 2 };

type Message = ProtobufWriter<Initializer>;
const message = (): Message => new ProtobufWriter<Initializer>();

/** Whether a graph fits a file of its own, its weights within. */
export function isOneFile(graph: Graph, mostBytes = MOST_MESSAGE_BYTES): boolean {
  return modelMessage(graph, null).length <= mostBytes;
}

/**
 * Writes a graph as an ONNX file. Weights pass through memory piece by piece; where all together are beyond the 2 GiB of
 * one message, they lie in a file `<name>_data` beside it, as ONNX has it ("external data").
 *
 * @returns the files, that of the graph last
 * @throws WRITE_FAILED; the earlier files are then untouched, but for the weights where those of the graph are apart
 */
export async function writeOnnx(
  file: string,
  graph: Graph,
  mostBytes = MOST_MESSAGE_BYTES,
): Promise<string[]> {
  const data = `${file}_data`;
  if (isOneFile(graph, mostBytes)) {
    await writeStreamAtomic(file, bytesOfParts(modelMessage(graph, null)));
    await rm(data, { force: true });
    return [file];
  }
  const external = placeOutside(graph, basename(data));
  await writeStreamAtomic(data, externalBytes(external));
  await writeStreamAtomic(file, bytesOfParts(modelMessage(graph, external)));
  return [data, file];
}

/** Where tensors lie in the file beside the graph. */
interface ExternalData {
  location: string;
  offsets: ReadonlyMap<Initializer, number>;
}

function placeOutside(graph: Graph, location: string): ExternalData {
  const offsets = new Map<Initializer, number>();
  let end = 0;
  for (const tensor of graph.initializers) {
    if (tensor.byteLength < LEAST_EXTERNAL_BYTES) continue;
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    offsets.set(tensor, offset);
    end = offset + tensor.byteLength;
  }
  return { location, offsets };
}

async function* externalBytes({ offsets }: ExternalData): AsyncGenerator<Uint8Array> {
  let end = 0;
  for (const [tensor, offset] of offsets) {
    if (offset > end) yield new Uint8Array(offset - end);
    yield* tensor.pieces();
    end = offset + tensor.byteLength;
  }
}

async function* bytesOfParts({ parts }: Message): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else yield* part.pieces();
  }
}

function modelMessage(graph: Graph, external: ExternalData | null): Message {
  return message()
    .integer(MODEL.irVersion, IR_VERSION)
    .text(MODEL.producerName, 'permafrost')
    .message(MODEL.opsetImport, message().integer(OPERATOR_SET.version, OPSET))
    .message(MODEL.graph, graphMessage(graph, external));
}

function graphMessage(graph: Graph, external: ExternalData | null): Message {
  const result = message().text(GRAPH.name, 'token-classification');
  for (const value of graph.inputs) result.message(GRAPH.input, valueMessage(value));
  for (const value of graph.outputs) result.message(GRAPH.output, valueMessage(value));
  for (const node of graph.nodes) result.message(GRAPH.node, nodeMessage(node));
  for (const tensor of graph.initializers) {
    result.message(GRAPH.initializer, tensorMessage(tensor, external));
  }
  return result;
}

function nodeMessage({ op, inputs, outputs, attributes }: GraphNode): Message {
  const result = message();
  for (const name of inputs) result.text(NODE.input, name);
  for (const name of outputs) result.text(NODE.output, name);
  result.text(NODE.name, outputs[0]!).text(NODE.opType, op);
  for (const [name, value] of Object.entries(attributes)) {
    result.message(NODE.attribute, attributeMessage(name, value));
  }
  return result;
}

function attributeMessage(name: string, value: Attribute): Message {
  const result = message().text(ATTRIBUTE.name, name);
  if (typeof value === 'number') {
    return result.integer(ATTRIBUTE.integer, value).integer(ATTRIBUTE.type, ATTRIBUTE_TYPES.integer);
  }
  if ('float' in value) {
    return result.float(ATTRIBUTE.float, value.float).integer(ATTRIBUTE.type, ATTRIBUTE_TYPES.float);
  }
  return result.integers(ATTRIBUTE.integers, value).integer(ATTRIBUTE.type, ATTRIBUTE_TYPES.integers);
}

function tensorMessage(tensor: Initializer, external: ExternalData | null): Message {
  const { name, type, shape, byteLength } = tensor;
  const result = message().integer(TENSOR.dataType, ELEMENT_TYPES[type]).text(TENSOR.name, name);
  if (shape.length > 0) result.integers(TENSOR.dims, shape);
  const offset = external?.offsets.get(tensor);
  if (external === null || offset === undefined) return result.later(TENSOR.rawData, byteLength, tensor);
  const entries = { location: external.location, offset: String(offset), length: String(byteLength) };
  for (const [key, value] of Object.entries(entries)) {
    result.message(TENSOR.externalData, message().text(ENTRY.key, key).text(ENTRY.value, value));
  }
  return result.integer(TENSOR.dataLocation, EXTERNAL);
}

function valueMessage({ name, type, shape }: GraphValue): Message {
  const dimensions = message();
  for (const size of shape) {
    const dimension = message();
    if (typeof size === 'number') dimension.integer(DIMENSION.size, size);
    else dimension.text(DIMENSION.name, size);
    dimensions.message(SHAPE.dimension, dimension);
  }
  const tensor = message()
    .integer(TENSOR_TYPE.elementType, ELEMENT_TYPES[type])
    .message(TENSOR_TYPE.shape, dimensions);
  return message().text(VALUE.name, name).message(VALUE.type, message().message(TYPE.tensor, tensor));
}
