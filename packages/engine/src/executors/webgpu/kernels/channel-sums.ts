import { MOMENTS } from "../../../calibration/input-statistics.ts";
import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

/** Channels of a workgroup, and threads that share the tokens of each. */
export const SUM_CHANNELS = 64;
const SHARES = 4;

/**
 * Sums of x, x² and |x| over each sequence's tokens, and the greatest |x|: `[sequences, tokens, features]` → `[sequences, 4, features]`.
 * Dispatched as [features / 64, sequences].
 */
export function channelSums(gpu: GpuContext): Shader {
  const figures = ["sum", "squares", "sizes", "most"];
  return shader({
    gpu,
    params: { tokens: "u32", features: "u32" },
    reads: { x: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: SUM_CHANNELS * SHARES,
    declarations: `var<workgroup> shares: array<vec4<f32>, ${SUM_CHANNELS * SHARES}>;`,
    main: `
let channel = group.x * ${SUM_CHANNELS}u + local % ${SUM_CHANNELS}u;
let share = local / ${SUM_CHANNELS}u;
let inside = channel < p.features;
var found = vec4<f32>();
for (var token = share; token < p.tokens && inside; token += ${SHARES}u) {
  let value = x[(group.y * p.tokens + token) * p.features + channel];
  let size = abs(value);
  found = vec4<f32>(found.x + value, found.y + value * value, found.z + size, max(found.w, size));
}
shares[local] = found;
workgroupBarrier();
if (share == 0u && inside) {
  for (var i = 1u; i < ${SHARES}u; i++) {
    let other = shares[local + i * ${SUM_CHANNELS}u];
    found = vec4<f32>(found.xyz + other.xyz, max(found.w, other.w));
  }
${unrolled(figures.length, (i) => `  out[(group.y * ${MOMENTS}u + ${i}u) * p.features + channel] = found[${i}];`)}
}`,
  });
}
