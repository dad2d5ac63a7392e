import type { GpuContext } from "../webgpu-device.ts";
import { HALVED, halvesStride } from "./halves.ts";
import { fourNumbers, type NormKind, rowSums, rowsType } from "./row-norm.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

export interface NormOptions {
  readonly kind: NormKind;
  /** Numbers of a row, or of a head of it. */
  readonly features: number;
  readonly weight: boolean;
  readonly bias: boolean;
  /** Rows, and where they begin, are at multiples of four numbers. */
  readonly quads: boolean;
  /** The result is rows of halves; rows are whole then, not heads. */
  readonly halves: boolean;
}

const MOST_THREADS = 256;
/** Times four numbers that a thread has, where rows are long enough for it. */
const FOURS = 4;

/**
 * Layer norm or RMS norm of each row, or of each head of each row, whose numbers stay with the threads that have read them. Dispatched as
 * [rows · heads], by twos: [65535, the rest].
 */
export function norm(gpu: GpuContext, options: NormOptions): Shader {
  const { kind, features, weight, bias, quads, halves } = options;
  const numbers = rowsType(quads);
  const fours = (halves ? halvesStride(features) : features) / 4;
  let threads = gpu.lanes;
  while (threads < MOST_THREADS && FOURS * threads < fours) threads *= 2;
  const each = Math.ceil(fours / threads);
  const places = (statement: (i: number) => string) => unrolled(each, statement);
  const sum = (term: (i: number) => string) =>
    `total(${Array.from({ length: each }, (_, i) => term(i)).join(" + ")}, local, lane)`;
  const store = (i: number) => {
    if (halves) {
      const at = `row * ${halvesStride(features) / 4}u + k${i} / 4u`;
      return `if (k${i} < ${4 * fours}u) { out[${at}] = vec2<u32>(halved(y.x, y.y), halved(y.z, y.w)); }`;
    }
    if (quads) return `if (k${i} < ${features}u) { out[(row * ${features}u + k${i}) / 4u] = y; }`;
    return unrolled(
      4,
      (j) => `if (k${i} + ${j}u < ${features}u) { out[row * ${features}u + k${i} + ${j}u] = y[${j}]; }`,
    );
  };
  return shader({
    gpu,
    params: { rows: "u32", heads: "u32", xOffset: "u32", xStride: "u32", eps: "f32", normOffset: "f32" },
    reads: {
      x: numbers,
      ...(weight ? { weight: numbers } : {}),
      ...(bias ? { bias: numbers } : {}),
    },
    writes: { out: halves ? "array<vec2<u32>>" : numbers },
    threads,
    declarations: `
${halves ? HALVED : ""}
${rowSums(gpu, features, threads)}
${fourNumbers("xAt", "x", features, quads)}
${weight ? fourNumbers("weightAt", "weight", features, quads) : ""}
${bias ? fourNumbers("biasAt", "bias", features, quads) : ""}`,
    main: `
let row = group.x + group.y * groups.x;
if (row >= p.rows) { return; }
let source = p.xOffset + (row / p.heads) * p.xStride + (row % p.heads) * ${features}u;
${places((i) => `let k${i} = 4u * (local + ${i * threads}u); let x${i} = xAt(source, k${i});`)}
${weight ? places((i) => `let weight${i} = weightAt(0u, k${i});`) : ""}
${bias ? places((i) => `let bias${i} = biasAt(0u, k${i});`) : ""}
let middle = ${kind === "layer" ? `${sum((i) => `dot(x${i}, vec4<f32>(1.0))`)} / ${features}.0;\nworkgroupBarrier()` : "0.0"};
${places((i) => `let centred${i} = kept(x${i} - middle, k${i});`)}
let inverse = inverseSqrt(${sum((i) => `dot(centred${i}, centred${i})`)} / ${features}.0 + p.eps);
${places(
  (i) => `{
  let y = centred${i} * inverse${weight ? ` * (weight${i} + p.normOffset)` : ""}${bias ? ` + bias${i}` : ""};
  ${store(i)}
}`,
)}`,
  });
}
