import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Element types of ONNX (`TensorProto.DataType`). */
export const onnxTypes = {
  F32: 1,
  U8: 2,
  I8: 3,
  I32: 6,
  I64: 7,
  BOOL: 9,
  F16: 10,
  BF16: 16,
} as const;

export type OnnxType = keyof typeof onnxTypes;

/** A number is written as an integer; floats and graphs are wrapped. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly branch: OnnxBranch };

/** A graph inside of a node. It takes what it likes of the values around it. */
export interface OnnxBranch {
  readonly nodes: readonly OnnxNode[];
  readonly output: string;
}

export interface OnnxNode {
  readonly operator: string;
  /** `com.microsoft` for ONNX Runtime's own; the standard's unless told. */
  readonly domain?: string;
  /** Names; an empty one stands for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Its bytes, or where they lie: a path below the folder that the session is told. */
  readonly data: Uint8Array | FilePlace;
}

export interface FilePlace {
  readonly location: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  /** Sizes; those that vary have a name. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const IR_VERSION = 10;
const OPSET = 23;
const EXTERNAL = 1;

/** A graph as the bytes of an ONNX `ModelProto` (onnx.proto of the ONNX standard; the numbers are its fields'). */
export function encodeOnnx({ nodes, initializers, inputs, outputs }: OnnxGraph): Uint8Array {
  const model = new BinaryWriter();
  model.uint32(tag(1, VARINT)).int64(IR_VERSION);
  message(model, 7, (graph) => {
    for (const node of nodes) message(graph, 1, (writer) => writeNode(writer, node));
    text(graph, 2, "vlmopt");
    for (const tensor of initializers) message(graph, 5, (writer) => writeInitializer(writer, tensor));
    for (const value of inputs) message(graph, 11, (writer) => writeValue(writer, value));
    for (const value of outputs) message(graph, 12, (writer) => writeValue(writer, value));
  });
  const domains: readonly [string, number][] = [
    ["", OPSET],
    ["com.microsoft", 1],
  ];
  for (const [domain, version] of domains) {
    message(model, 8, (writer) => {
      text(writer, 1, domain);
      writer.uint32(tag(2, VARINT)).int64(version);
    });
  }
  return model.finish();
}

function writeNode(writer: BinaryWriter, { operator, domain, inputs, outputs, attributes }: OnnxNode): void {
  for (const input of inputs) text(writer, 1, input);
  for (const output of outputs) text(writer, 2, output);
  text(writer, 4, operator);
  for (const [name, value] of Object.entries(attributes)) {
    message(writer, 5, (attribute) => writeAttribute(attribute, name, value));
  }
  if (domain !== undefined) text(writer, 7, domain);
}

/** The last field says which of the others holds the value. */
function writeAttribute(writer: BinaryWriter, name: string, value: Attribute): void {
  text(writer, 1, name);
  const [FLOAT, INT, STRING, GRAPH, INTS] = [1, 2, 3, 5, 7];
  let type = INT;
  if (typeof value === "number") {
    writer.uint32(tag(3, VARINT)).int64(value);
  } else if (typeof value === "string") {
    text(writer, 4, value);
    type = STRING;
  } else if ("float" in value) {
    writer.uint32(tag(2, FIXED32)).float(value.float);
    type = FLOAT;
  } else if ("branch" in value) {
    const { nodes, output } = value.branch;
    message(writer, 6, (graph) => {
      for (const node of nodes) message(graph, 1, (inner) => writeNode(inner, node));
      text(graph, 2, name);
      // Only its name: type and shape follow from the nodes.
      message(graph, 12, (declared) => text(declared, 1, output));
    });
    type = GRAPH;
  } else {
    for (const item of value) writer.uint32(tag(8, VARINT)).int64(item);
    type = INTS;
  }
  writer.uint32(tag(20, VARINT)).int32(type);
}

function writeInitializer(writer: BinaryWriter, { name, type, shape, data }: OnnxInitializer): void {
  for (const size of shape) writer.uint32(tag(1, VARINT)).int64(size);
  writer.uint32(tag(2, VARINT)).int32(onnxTypes[type]);
  text(writer, 8, name);
  if (data instanceof Uint8Array) {
    writer.uint32(tag(9, LENGTH)).bytes(data);
    return;
  }
  const place = { location: data.location, offset: `${data.offset}`, length: `${data.byteLength}` };
  for (const [key, value] of Object.entries(place)) {
    message(writer, 13, (entry) => {
      text(entry, 1, key);
      text(entry, 2, value);
    });
  }
  writer.uint32(tag(14, VARINT)).int32(EXTERNAL);
}

function writeValue(writer: BinaryWriter, { name, type, shape }: OnnxValue): void {
  text(writer, 1, name);
  message(writer, 2, (typeProto) =>
    message(typeProto, 1, (tensor) => {
      tensor.uint32(tag(1, VARINT)).int32(onnxTypes[type]);
      message(tensor, 2, (dimensions) => {
        for (const size of shape) {
          message(dimensions, 1, (dimension) => {
            if (typeof size === "number") dimension.uint32(tag(1, VARINT)).int64(size);
            else text(dimension, 2, size);
          });
        }
      });
    }),
  );
}

/** Wire types of protocol buffers. */
const [VARINT, LENGTH, FIXED32] = [0, 2, 5];

function tag(field: number, wireType: number): number {
  return ((field << 3) | wireType) >>> 0;
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.uint32(tag(field, LENGTH)).string(value);
}

function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  writer.uint32(tag(field, LENGTH)).fork();
  write(writer);
  writer.join();
}
