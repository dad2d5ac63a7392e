import type { GpuContext } from "../webgpu-device.ts";
import { MAP, type MapName, mapFunction } from "./activation.ts";
import { HALVED } from "./halves.ts";
import { rowsType } from "./row-norm.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

/** What becomes of the numbers of one value, or of two. */
export type Elementwise =
  | { readonly of: "map"; readonly function: MapName }
  | { readonly of: "copy" }
  | { readonly of: "scale" }
  | { readonly of: "add" }
  | { readonly of: "gated"; readonly function: MapName };

export const ELEMENTWISE_THREADS = 256;

export interface ElementwiseOptions {
  /** Rows, and where they begin, are at multiples of four numbers. */
  readonly quads: boolean;
  /** The result is rows of halves. */
  readonly halves: boolean;
}

/** Number by number, a thread taking four; b's rows begin again after `bRows`. Dispatched over rows · features / 4 threads, or fewer. */
export function elementwise(
  gpu: GpuContext,
  operation: Elementwise,
  { quads, halves }: ElementwiseOptions,
): Shader {
  const two = operation.of === "add" || operation.of === "gated";
  const named = "function" in operation ? operation.function : "none";
  const result = {
    copy: "first",
    map: `${MAP}(first)`,
    scale: "first * p.factor",
    add: "first + second",
    gated: `${MAP}(first) * second`,
  }[operation.of];
  const numbers = rowsType(quads);
  const four = (buffer: string, row: string) => {
    const at = (column: string) => `p.${buffer}Offset + ${row} * p.${buffer}Stride + ${column}`;
    if (quads) return `${buffer}[(${at("min(column, p.features - 4u)")}) / 4u]`;
    return `vec4<f32>(${[0, 1, 2, 3].map((i) => `${buffer}[${at(`min(column + ${i}u, p.features - 1u)`)}]`).join(", ")})`;
  };
  const inside = (i: number) => `column + ${i}u < p.features`;
  const store = {
    halves: `let kept = select(vec4<f32>(), y, vec4<bool>(${[0, 1, 2, 3].map(inside).join(", ")}));
  out[i] = vec2<u32>(halved(kept.x, kept.y), halved(kept.z, kept.w));`,
    quads: "out[i] = y;",
    numbers: unrolled(4, (i) => `if (${inside(i)}) { out[row * p.features + column + ${i}u] = y[${i}]; }`),
  };
  return shader({
    gpu,
    params: {
      rows: "u32",
      features: "u32",
      aOffset: "u32",
      aStride: "u32",
      bOffset: "u32",
      bStride: "u32",
      bRows: "u32",
      outStride: "u32",
      factor: "f32",
    },
    reads: { a: numbers, ...(two ? { b: numbers } : {}) },
    writes: { out: halves ? "array<vec2<u32>>" : numbers },
    threads: ELEMENTWISE_THREADS,
    declarations: `
${mapFunction(named)}
${halves ? HALVED : ""}
fn result(first: f32, second: f32) -> f32 { return ${result}; }`,
    main: `
let width = (p.outStride + 3u) / 4u;
for (var i = group.x * ${ELEMENTWISE_THREADS}u + local; i < p.rows * width; i += groups.x * ${ELEMENTWISE_THREADS}u) {
  let row = i / width;
  let column = 4u * (i % width);
  let first = ${four("a", "row")};
  let second = ${two ? four("b", "(row % p.bRows)") : "first"};
  let y = vec4<f32>(${["x", "y", "z", "w"].map((part) => `result(first.${part}, second.${part})`).join(", ")});
  ${store[halves ? "halves" : quads ? "quads" : "numbers"]}
}`,
  });
}

/** Rotates the two halves of each head. Dispatched as `elementwise` is. */
export function rotate(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", headDim: "u32", xOffset: "u32", xStride: "u32" },
    reads: { x: "array<f32>", cosines: "array<f32>", sines: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ELEMENTWISE_THREADS,
    main: `
let half = p.headDim / 2u;
for (var i = group.x * ${ELEMENTWISE_THREADS}u + local; i < p.rows * p.features; i += groups.x * ${ELEMENTWISE_THREADS}u) {
  let row = i / p.features;
  let column = i % p.features;
  let at = p.xOffset + row * p.xStride + column;
  let d = column % p.headDim;
  let turn = row * half + d % half;
  var other = 0.0;
  if (d < half) { other = -x[at + half]; } else { other = x[at - half]; }
  out[i] = x[at] * cosines[turn] + other * sines[turn];
}`,
  });
}
