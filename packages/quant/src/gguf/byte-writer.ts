import { type MetadataValue, type Scalar, scalarBytes, typeIdOf } from "./metadata.ts";

/** Collects the little-endian bytes of a header. */
export interface ByteWriter {
  readonly length: number;
  uint32(value: number): void;
  uint64(value: number): void;
  /** Length in bytes of its UTF-8, then those. */
  string(value: string): void;
  /** The number of its type, then the value. */
  metadataValue(value: MetadataValue): void;
  /** Zeros up to the next multiple of `alignment`. */
  align(alignment: number): void;
  bytes(): Uint8Array;
}

export function byteWriter(): ByteWriter {
  const encoder = new TextEncoder();
  let buffer = new Uint8Array(1024);
  let view = new DataView(buffer.buffer);
  let length = 0;
  /** Makes room for `count` bytes and returns where they begin. */
  const advance = (count: number): number => {
    const start = length;
    length += count;
    if (length > buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * buffer.length));
      larger.set(buffer);
      buffer = larger;
      view = new DataView(buffer.buffer);
    }
    return start;
  };
  const uint32 = (value: number) => {
    const at = advance(4);
    view.setUint32(at, value, true);
  };
  const uint64 = (value: number | bigint) => {
    const at = advance(8);
    view.setBigUint64(at, BigInt(value), true);
  };
  const string = (value: string) => {
    const encoded = encoder.encode(value);
    uint64(encoded.length);
    const at = advance(encoded.length);
    buffer.set(encoded, at);
  };
  const scalar = ({ type, value }: Scalar) => {
    if (type === "string") return string(value);
    const at = advance(scalarBytes[type]);
    switch (type) {
      case "uint8":
        return view.setUint8(at, value);
      case "int8":
        return view.setInt8(at, value);
      case "uint16":
        return view.setUint16(at, value, true);
      case "int16":
        return view.setInt16(at, value, true);
      case "uint32":
        return view.setUint32(at, value, true);
      case "int32":
        return view.setInt32(at, value, true);
      case "float32":
        return view.setFloat32(at, value, true);
      case "bool":
        return view.setUint8(at, value ? 1 : 0);
      case "uint64":
        return view.setBigUint64(at, value, true);
      case "int64":
        return view.setBigInt64(at, value, true);
      case "float64":
        return view.setFloat64(at, value, true);
    }
  };
  return {
    get length() {
      return length;
    },
    uint32,
    uint64,
    string,
    metadataValue(value) {
      uint32(typeIdOf(value.type));
      if (value.type !== "array") return scalar(value);
      uint32(typeIdOf(value.of));
      uint64(value.values.length);
      for (const item of value.values) scalar({ type: value.of, value: item } as Scalar);
    },
    align(alignment) {
      advance((alignment - (length % alignment)) % alignment);
    },
    bytes: () => buffer.subarray(0, length),
  };
}
