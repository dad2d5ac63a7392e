import type { GpuContext } from "../webgpu-device.ts";
import { HALVED } from "./halves.ts";
import { type Shader, shader } from "./shader.ts";

export interface NormOptions {
  readonly kind: "layer" | "rms";
  readonly weight: boolean;
  readonly bias: boolean;
  /** The result is rows of halves; rows are whole then, not heads. */
  readonly halves: boolean;
}

const THREADS = 128;

/**
 * Layer norm or RMS norm of each row, or of each head of each row. Dispatched as [rows · heads], by twos: [65535, the rest].
 */
export function norm(gpu: GpuContext, { kind, weight, bias, halves }: NormOptions): Shader {
  const sum = (values: string) => `
for (var i = local; i < p.features; i += ${THREADS}u) { sum += ${values}; }
sum = subgroupAdd(sum);
workgroupBarrier();
if (lane == 0u) { partial[local / ${gpu.lanes}u] = sum; }
workgroupBarrier();
sum = 0.0;
for (var i = lane; i < ${THREADS / gpu.lanes}u; i += ${gpu.lanes}u) { sum += partial[i]; }
sum = subgroupAdd(sum);`;
  const normed = (i: string) =>
    `(x[source + ${i}] - middle) * inverse${weight ? ` * (weight[${i}] + p.normOffset)` : ""}${bias ? ` + bias[${i}]` : ""}`;
  return shader({
    gpu,
    params: {
      rows: "u32",
      heads: "u32",
      features: "u32",
      xOffset: "u32",
      xStride: "u32",
      eps: "f32",
      normOffset: "f32",
      outStride: "u32",
    },
    reads: {
      x: "array<f32>",
      ...(weight ? { weight: "array<f32>" } : {}),
      ...(bias ? { bias: "array<f32>" } : {}),
    },
    writes: { out: halves ? "array<u32>" : "array<f32>" },
    threads: THREADS,
    declarations: `
${halves ? HALVED : ""}
var<workgroup> partial: array<f32, ${THREADS / gpu.lanes}>;`,
    main: `
let row = group.x + group.y * groups.x;
if (row >= p.rows) { return; }
let source = p.xOffset + (row / p.heads) * p.xStride + (row % p.heads) * p.features;
var sum = 0.0;
${
  kind === "layer"
    ? `${sum("x[source + i]")}
let middle = sum / f32(p.features);
sum = 0.0;`
    : "let middle = 0.0;"
}
${sum("(x[source + i] - middle) * (x[source + i] - middle)")}
let inverse = inverseSqrt(sum / f32(p.features) + p.eps);
${
  halves
    ? `for (var i = local; i < p.outStride / 2u; i += ${THREADS}u) {
  var both = vec2<f32>();
  if (2u * i < p.features) { both.x = ${normed("2u * i")}; }
  if (2u * i + 1u < p.features) { both.y = ${normed("(2u * i + 1u)")}; }
  out[row * p.outStride / 2u + i] = halved(both.x, both.y);
}`
    : `for (var i = local; i < p.features; i += ${THREADS}u) { out[row * p.features + i] = ${normed("i")}; }`
}`,
  });
}
