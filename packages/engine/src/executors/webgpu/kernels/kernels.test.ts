import { expect, test } from "vitest";
import { create, globals } from "webgpu";
import { pipelinesOf } from "../gpu-plan.ts";
import type { GpuContext } from "../webgpu-device.ts";
import { argmaxOfParts, argmaxOfRows } from "./argmax.ts";
import { type AttentionOptions, appendToCache, attention } from "./attention.ts";
import { attentionMatrices } from "./attention-matrices.ts";
import { channelSums } from "./channel-sums.ts";
import { factorBlock, multiplyByInverse } from "./cholesky.ts";
import { crossProducts, mirrorUpper } from "./cross-products.ts";
import { decodeAttention, joinSplits } from "./decode-attention.ts";
import { drawToken } from "./draw-token.ts";
import { elementwise } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { chooseTile, matmulMatrices, outputsOfTile, tokensOfTile } from "./matmul-matrices.ts";
import { matvec } from "./matvec.ts";
import { norm } from "./norm.ts";
import { relativeScores } from "./relative-scores.ts";
import { embedRows } from "./rows.ts";
import type { Shader } from "./shader.ts";
import { type SubtractOptions, subtractProducts } from "./subtract-products.ts";
import { planesOf } from "./three-bits.ts";
import { matvecTuning } from "./tuning.ts";
import { denseFormats, pairFunctions, type WeightFormat } from "./weight-format.ts";

// Kernels for cards with F16 and units for matrices, which no card in software has: here a compiler reads them that runs nothing.
Object.assign(globalThis, globals);
const dawn = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
// Once it is collected, the process dies at some later call.
Object.assign(globalThis, { dawn });
const adapter = await dawn.requestAdapter();
const device = await (adapter as GPUAdapter).requestDevice({
  requiredFeatures: ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"] as GPUFeatureName[],
});

/** The device says what an H100 does. */
const gpu = {
  name: "none",
  device: { limits: { maxComputeWorkgroupStorageSize: 49152, maxComputeInvocationsPerWorkgroup: 1024 } },
  hasF16: true,
  hasMatrices: true,
  lanes: 32,
} as unknown as GpuContext;

async function problemOf({ code }: Shader): Promise<string | undefined> {
  device.pushErrorScope("validation");
  device.createShaderModule({ code });
  return (await device.popErrorScope())?.message;
}

const int4: WeightFormat = {
  kind: "int4",
  values: 32,
  groupSize: 128,
  scales: "f16",
  zeros: false,
  codebook: undefined,
};
const formats: readonly (readonly [string, WeightFormat])[] = [
  ["int4", int4],
  ["int4 with zeros", { ...int4, groupSize: 32, zeros: true, scales: "bf16" }],
  ["int3", { ...int4, kind: "int3", values: 64 }],
  ["int3 with zeros", { ...int4, kind: "int3", values: 64, groupSize: 64, zeros: true, scales: "bf16" }],
  ["int2", { ...int4, kind: "int2", values: 64 }],
  ["int8", { ...int4, kind: "int8", values: 16, groupSize: 4096, scales: "f32" }],
  [
    "nf4",
    {
      ...int4,
      kind: "codebook",
      groupSize: 64,
      scales: "f32",
      codebook: Array.from({ length: 16 }, (_, i) => i / 15),
    },
  ],
  ["F16", denseFormats.F16],
  ["BF16", denseFormats.BF16],
  ["F32", denseFormats.F32],
];

/** Of a product of one token by 4096 numbers to as many. */
const constants = {
  ...{ n: 4096, xOffset: 0, xStride: 4096, outOffset: 0, outStride: 4096 },
  ...{ residualOffset: 0, residualStride: 4096, eps: 1e-5, normOffset: 0 },
};

test.each(formats)("products with %s weights are valid WGSL", async (_, format) => {
  const flags = [false, true];
  for (const bias of flags) {
    for (const residual of flags) {
      const linear = { format, k: 4096, bias, residual, activation: "gelu" as const };
      for (const quads of flags) {
        const tuning = { rows: 4, split: quads ? 2 : 1, threads: 256, perUnit: 2 };
        const split = quads && residual ? { splits: 4, headDim: 128 } : undefined;
        for (const kind of ["rms", "layer"] as const) {
          const norm = residual ? undefined : { kind, bias };
          const options = { ...linear, norm, gated: !residual, quads, split, tuning };
          expect(await problemOf(matvec(gpu, options, constants))).toBeUndefined();
        }
      }
      for (const store of ["matrices", "numbers", "halves"] as const) {
        for (const tile of [
          { down: 7, across: 2, depth: 64 },
          { down: 3, across: 1, depth: format.values > 32 ? 64 : 32 },
        ]) {
          expect(
            await problemOf(matmulMatrices(gpu, { ...linear, gated: false, tile, store })),
          ).toBeUndefined();
        }
      }
    }
    const gated = { format, k: 4096, bias, residual: false, activation: "silu" as const, gated: true };
    const options = {
      ...gated,
      tile: { down: 7, across: 2, depth: 64 },
      store: "halves" as const,
    };
    expect(await problemOf(matmulMatrices(gpu, options))).toBeUndefined();
  }
  expect(await problemOf(embedRows(gpu, format))).toBeUndefined();
});

/** What a kernel's expression over halves of 32 bits gives, its text run as JavaScript: no card in software has F16. */
function halvesOf(text: string, bits: number, high: number, zero: number): readonly [number, number] {
  const js = text
    .replaceAll("bitcast<vec2<f16>>", "mantissas")
    .replaceAll("vec2<f16>", "")
    .replace(/(0x[\da-f]+|\d)[uh]\b/g, "$1")
    .replaceAll(">>", ">>>");
  const mantissas = (word: number) =>
    [word & 0xffff, word >>> 16].map((half) => {
      expect(half & 0xfc00).toBe(0x6400);
      return 1024 + (half & 0x3ff);
    });
  const fma = (a: readonly number[], b: number, c: number) => a.map((each) => each * b + c);
  const run = new Function("bits", "high", "zero", "mantissas", "fma", `return ${js};`);
  return run(bits, high, zero, mantissas, fma) as [number, number];
}

test.each(["int2", "int3"] as const)("pairs of %s are the codes less their zero", (kind) => {
  const k = 192;
  const codes = Uint8Array.from({ length: k }, (_, i) => (i * 7 + (i >> 3)) % (kind === "int2" ? 4 : 8));
  const bytes = kind === "int3" ? planesOf(codes, k) : packedTwo(codes);
  const words = new Uint32Array(bytes.buffer);
  const text = pairFunctions(gpu, { ...int4, kind, values: 64 }, false);
  const expressions = [...text.matchAll(/fma\(.*\)(?=,$|\);$)/gm)].map(([found]) => found);
  expect(expressions).toHaveLength(kind === "int3" ? 16 : 8);
  for (let sixteen = 0; sixteen < k / 16; sixteen++) {
    const high = words[k / 16 + (sixteen >> 1)] as number;
    for (let pair = 0; pair < 8; pair++) {
      const expression = expressions[(kind === "int3" ? 8 * (sixteen % 2) : 0) + pair] as string;
      const found = halvesOf(expression, words[sixteen] as number, high, 3);
      const first = 16 * sixteen + pair;
      expect(found).toEqual([(codes[first] as number) - 3, (codes[first + 8] as number) - 3]);
    }
  }
});

function packedTwo(codes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: codes.length / 4 }, (_, i) =>
    codes.subarray(4 * i, 4 * i + 4).reduce((byte, code, n) => byte | (code << (2 * n)), 0),
  );
}

test.each([64, 80, 128])("attention with heads of %i is valid WGSL", async (headDim) => {
  for (const flags of [0, 1, 2, 4, 8, 15]) {
    const options: AttentionOptions = {
      ...{ headDim, cached: true, rotary: (flags & 1) > 0, bias: (flags & 2) > 0 },
      ...{ softcap: (flags & 4) > 0, window: (flags & 8) > 0 },
    };
    const whole = { ...options, cached: false, rotary: false, window: false };
    const shaders = [
      ...[
        attention(gpu, options),
        appendToCache(gpu, options),
        decodeAttention(gpu, { ...options, together: false }, 1),
      ],
      ...[
        decodeAttention(gpu, { ...options, together: true }, 4),
        attentionMatrices(gpu, { ...options, halves: true }),
      ],
      ...[
        attentionMatrices(gpu, { ...options, halves: false }),
        attentionMatrices(gpu, { ...whole, halves: true }),
      ],
    ];
    for (const shader of shaders) expect(await problemOf(shader)).toBeUndefined();
  }
});

test.each([true, false])(
  "norms and operations number by number are valid WGSL, in halves: %s",
  async (halves) => {
    const shaders = [
      ...(["layer", "rms"] as const).flatMap((kind) =>
        [true, false].map((quads) => {
          const features = quads ? 4096 : 97;
          return norm(gpu, { kind, features, weight: true, bias: quads, quads, halves });
        }),
      ),
      ...[true, false].flatMap((quads) => [
        ...(["copy", "scale", "add"] as const).map((of) => elementwise(gpu, { of }, { quads, halves })),
        elementwise(gpu, { of: "gated", function: "silu" }, { quads, halves }),
      ]),
    ];
    for (const shader of shaders) expect(await problemOf(shader)).toBeUndefined();
  },
);

test("what chooses tokens is valid WGSL", async () => {
  for (const shader of [argmaxOfParts(gpu), argmaxOfRows(gpu), drawToken(gpu)])
    expect(await problemOf(shader)).toBeUndefined();
});

/** What WebGPU promises of every card that has subgroups: 16 KiB of workgroup memory, 256 threads, eight buffers. */
const least = {
  device,
  name: "least",
  hasF16: false,
  hasMatrices: false,
  lanes: 32,
} as unknown as GpuContext;

test.each(formats)("products with %s weights fit every card", async (_, format) => {
  const pipelines = pipelinesOf(least);
  const linear = { format, k: 8192, bias: true, residual: true, activation: "gelu" as const };
  const shapes = [
    { norm: { kind: "layer", bias: true }, gated: true, residual: false, split: undefined },
    { norm: undefined, gated: false, residual: true, split: { splits: 4, headDim: 128 } },
  ] as const;
  for (const shape of shapes) {
    const tuning = matvecTuning(least, format, { rows: 4096, k: linear.k, gated: shape.gated });
    await pipelines(matvec, [{ ...linear, ...shape, quads: true, tuning }, constants]).pipeline;
  }
  await pipelines(matmul, [linear]).pipeline;
  await pipelines(embedRows, [format]).pipeline;
});

test.each([64, 80, 128, 256])(
  "attention with heads of %i, and what comes around it, fit every card",
  async (headDim) => {
    const pipelines = pipelinesOf(least);
    const options: AttentionOptions = {
      headDim,
      cached: true,
      rotary: true,
      bias: true,
      softcap: true,
      window: true,
    };
    await pipelines(attention, [options]).pipeline;
    await pipelines(appendToCache, [options]).pipeline;
    await pipelines(decodeAttention, [{ ...options, together: true }, 4]).pipeline;
    await pipelines(joinSplits, [{ splits: 4, headDim }, 32 * headDim]).pipeline;
    await pipelines(norm, [
      { kind: "layer", features: 32 * headDim, weight: true, bias: true, quads: true, halves: false },
    ]).pipeline;
    // DeBERTa's heads have 64 numbers.
    await pipelines(relativeScores, [{ headDim: 64, keys: true, queries: true }]).pipeline;
    for (const kernel of [argmaxOfParts, argmaxOfRows, drawToken]) await pipelines(kernel, []).pipeline;
  },
);

test("sums for calibration and least squares are valid WGSL, and fit every card", async () => {
  const pipelines = pipelinesOf(least);
  await pipelines(channelSums, []).pipeline;
  for (const quads of [false, true]) {
    for (const symmetric of [false, true]) await pipelines(crossProducts, [{ quads, symmetric }]).pipeline;
  }
  await pipelines(mirrorUpper, []).pipeline;
  await pipelines(factorBlock, []).pipeline;
  for (const way of ["forward", "back"] as const) await pipelines(multiplyByInverse, [way]).pipeline;
  const products: readonly SubtractOptions[] = [
    { inside: "both", right: "transposed", lower: true, compensated: false },
    { inside: "left", right: "plain", lower: false, compensated: false },
    { inside: "none", right: "plain", lower: false, compensated: true },
  ];
  for (const options of products) await pipelines(subtractProducts, [options]).pipeline;
});

test("what is not WGSL is noticed", async () => {
  expect(await problemOf({ code: "fn main() { let from = 1; }", params: [] })).toContain("reserved keyword");
});

test("tiles fit the tokens: little is computed for none", () => {
  for (const tokens of [5, 64, 577, 650, 1024]) {
    const tile = chooseTile(tokens, 12288, 4096, false);
    const padded = Math.ceil(tokens / tokensOfTile(tile)) * tokensOfTile(tile);
    expect(padded - tokens).toBeLessThan(Math.max(16, tokens / 6));
    expect(outputsOfTile(tile, true)).toBe(outputsOfTile(tile, false) / 2);
    expect(chooseTile(tokens, 11008, 4096 + 32, true).depth).toBe(32);
  }
});
