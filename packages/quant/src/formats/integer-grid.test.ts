import { encodeMatrix, formatNamed, nearestIntegers, schemeNamed, searchIntegerScales } from "@vlmopt/quant";
import { expect, it } from "vitest";

const rows = 16;
const columns = 64;
const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(1 + i * i));
const tensor = { name: "a.weight", dtype: "F16", shape: [rows, columns] } as const;

it.each([
  "int2-g32",
  "int3-g32-zero",
  "int4-g32",
  "int4-row-zero",
  "int8",
  "gptq-g32",
  "gptq-int3-g32",
  "awq-g32",
])("the grid of %s is of what the format packs", (name) => {
  const scheme = schemeNamed(name);
  const format = formatNamed(scheme.format);
  const grid = format.grid?.(tensor, scheme);
  if (grid === undefined) throw new Error("there is none");
  const found = searchIntegerScales(data, grid, new Float32Array(columns).fill(1));
  const packed = format.pack?.(nearestIntegers(data, columns, grid, found), tensor, scheme) ?? [];
  const own = encodeMatrix(format, scheme, tensor, data);
  expect(packed.map(({ length }) => length)).toEqual(own.parts.map(({ length }) => length));
  // Symmetric files say that all zeros are in the middle: those that follow from the packed ones are the same.
  if (!grid.zeroPoints && own.parts.length > 2 && name.startsWith("gptq"))
    expect(packed[1]).toEqual(own.parts[1]);
});
