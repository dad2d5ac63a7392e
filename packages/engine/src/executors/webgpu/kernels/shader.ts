import type { GpuContext } from "../webgpu-device.ts";

/** A compute shader, and what its dispatches give it: numbers, then buffers, in these orders. */
export interface Shader {
  readonly code: string;
  readonly params: readonly (readonly [name: string, type: "u32" | "f32"])[];
}

export interface ShaderParts {
  readonly gpu: GpuContext;
  /** `name: type` of each number, which the shader reads as `p.name`. */
  readonly params: Readonly<Record<string, "u32" | "f32">>;
  /** What the numbers are, where that is known beforehand; dispatches give none then. */
  readonly constants?: Readonly<Record<string, number>>;
  /** `name: type` of each buffer that is read. */
  readonly reads: Readonly<Record<string, string>>;
  /** The same of each that is written. */
  readonly writes: Readonly<Record<string, string>>;
  readonly threads: number;
  /** Functions, constants, workgroup memory. */
  readonly declarations?: string;
  /** Has `group`, `groups`, `local` and `lane` at hand, see below. */
  readonly main: string;
}

/**
 * Puts a compute shader together. `main` finds `group` (workgroup_id), `groups` (num_workgroups), `local` (the thread's number
 * in its workgroup), `lane` (its number in its subgroup).
 */
export function shader({
  gpu,
  params,
  constants,
  reads,
  writes,
  threads,
  declarations = "",
  main,
}: ShaderParts): Shader {
  const buffers = [
    ...Object.entries(reads).map(([name, type]) => `var<storage, read> ${name}: ${type};`),
    ...Object.entries(writes).map(([name, type]) => `var<storage, read_write> ${name}: ${type};`),
  ];
  const fields = Object.entries(params);
  const code = `
enable subgroups;
${gpu.hasF16 ? "enable f16;" : ""}
${gpu.hasMatrices ? "enable chromium_experimental_subgroup_matrix;" : ""}
diagnostic(off, subgroup_uniformity);
${gpu.hasMatrices ? "diagnostic(off, chromium.subgroup_matrix_uniformity);" : ""}
struct Params { ${fields.map(([name, type]) => `${name}: ${type}`).join(", ")} }
${
  constants === undefined
    ? "@group(0) @binding(0) var<uniform> p: Params;"
    : `const p = Params(${fields.map(([name, type]) => `${type}(${constants[name]})`).join(", ")});`
}
${buffers.map((buffer, index) => `@group(0) @binding(${index + 1}) ${buffer}`).join("\n")}
${declarations}
@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
${main}
}`;
  return { code, params: constants === undefined ? fields : [] };
}

/** So many statements, one for each number below `count`. */
export function unrolled(count: number, statement: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => statement(index)).join("\n");
}
