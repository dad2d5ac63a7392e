/** Numbers of the value types in a file. */
const scalarIds = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;
const ARRAY_ID = 9;

export type ScalarType = keyof typeof scalarIds;

type ValueOf<T extends ScalarType> = T extends "string"
  ? string
  : T extends "bool"
    ? boolean
    : T extends "uint64" | "int64"
      ? bigint
      : number;

/** A single value. */
export type Scalar = { [T in ScalarType]: { readonly type: T; readonly value: ValueOf<T> } }[ScalarType];

/** A list of values of one type. */
export type ValueList = {
  [T in ScalarType]: { readonly type: "array"; readonly of: T; readonly values: readonly ValueOf<T>[] };
}[ScalarType];

/** A value of a GGUF file's metadata, with the type that it has there: readers are strict about it. */
export type MetadataValue = Scalar | ValueList;

/** By key, e.g. `llama.block_count`, in the order of the file. */
export type Metadata = ReadonlyMap<string, MetadataValue>;

export const uint32 = (value: number): MetadataValue => ({ type: "uint32", value });
export const float32 = (value: number): MetadataValue => ({ type: "float32", value });
export const bool = (value: boolean): MetadataValue => ({ type: "bool", value });
export const text = (value: string): MetadataValue => ({ type: "string", value });
export const texts = (values: readonly string[]): MetadataValue => ({ type: "array", of: "string", values });
export const int32s = (values: readonly number[]): MetadataValue => ({ type: "array", of: "int32", values });
export const float32s = (values: readonly number[]): MetadataValue => ({
  type: "array",
  of: "float32",
  values,
});

/** Number of a value's type in a file. */
export function typeIdOf(type: ScalarType | "array"): number {
  return type === "array" ? ARRAY_ID : scalarIds[type];
}

const scalarById = new Map(Object.entries(scalarIds).map(([name, id]) => [id as number, name as ScalarType]));

/** Type of that number; undefined where there is none. */
export function valueTypeOf(id: number): ScalarType | "array" | undefined {
  return id === ARRAY_ID ? "array" : scalarById.get(id);
}

/** Bytes of a value of fixed size. */
export const scalarBytes: Readonly<Record<Exclude<ScalarType, "string">, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
};
