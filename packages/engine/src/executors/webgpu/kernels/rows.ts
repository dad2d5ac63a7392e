// Rows that go elsewhere as they are.
import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import {
  groupOfWord,
  nextRow,
  type WeightFormat,
  weightBuffers,
  weightFunctions,
  weightSetup,
} from "./weight-format.ts";

export const ROW_THREADS = 256;
const FOR_EACH = `for (var i = group.x * ${ROW_THREADS}u + local; i < p.rows * p.features; i += groups.x * ${ROW_THREADS}u) {
  let row = i / p.features;
  let column = i % p.features;`;

/**
 * Copies rows: they come in runs of `run`, every `fromRun` rows from `fromFirst` on, and go to places of the same kind. All of this
 * file are dispatched over rows · features threads, or fewer.
 */
export function copyRows(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: {
      rows: "u32",
      features: "u32",
      run: "u32",
      xOffset: "u32",
      xStride: "u32",
      fromRun: "u32",
      fromFirst: "u32",
      outOffset: "u32",
      outStride: "u32",
      toRun: "u32",
      toFirst: "u32",
    },
    reads: { x: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  let source = (row / p.run) * p.fromRun + p.fromFirst + row % p.run;
  let to = (row / p.run) * p.toRun + p.toFirst + row % p.run;
  out[p.outOffset + to * p.outStride + column] = x[p.xOffset + source * p.xStride + column];
}`,
  });
}

/** Row `places[i]` of x becomes row i. */
export function takeRows(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", xOffset: "u32", xStride: "u32" },
    reads: { x: "array<f32>", places: "array<i32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  out[i] = x[p.xOffset + u32(places[row]) * p.xStride + column];
}`,
  });
}

/** Row i of x replaces, or is added to, row `places[i]`. */
export function putRows(gpu: GpuContext, how: "replace" | "add"): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", xOffset: "u32", xStride: "u32" },
    reads: { x: "array<f32>", places: "array<i32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  let to = u32(places[row]) * p.features + column;
  out[to] = x[p.xOffset + row * p.xStride + column]${how === "add" ? " + out[to]" : ""};
}`,
  });
}

/** Rows of a stored table, decoded; `features` counts the table's words here. */
export function embedRows(gpu: GpuContext, format: WeightFormat): Shader {
  const { values } = format;
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", width: "u32", rowGroups: "u32" },
    reads: { ids: "array<i32>", ...weightBuffers(gpu, format) },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    declarations: weightFunctions(gpu, format),
    main: `
${weightSetup(format)}
workgroupBarrier();
${FOR_EACH}
  let stored = u32(ids[row]);
  let word = column;
  let at = stored * p.rowGroups + ${groupOfWord(format)};
  let numbers = unpack(wordAt(stored * ${nextRow(format, "p.features")}, p.features, column), zeroAt(at));
  let scale = scaleAt(at);
  let first = column * ${values}u;
${unrolled(values, (v) => `  if (first + ${v}u < p.width) { out[row * p.width + first + ${v}u] = numbers[${v >> 2}][${v & 3}] * scale; }`)}
}`,
  });
}

/** Σₖ shares[n, k] · table[ids[n, k]], the table being of F32. */
export function blendRows(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", taps: "u32" },
    reads: { table: "array<f32>", ids: "array<i32>", shares: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  var sum = 0.0;
  for (var tap = row * p.taps; tap < (row + 1u) * p.taps; tap++) {
    sum += shares[tap] * table[u32(ids[tap]) * p.features + column];
  }
  out[i] = sum;
}`,
  });
}

/** Each patch's numbers in a row: `[n, c, h, w]` → `[n · patches, c · size · size]`. */
export function unfoldPatches(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: {
      rows: "u32",
      features: "u32",
      size: "u32",
      across: "u32",
      down: "u32",
      channels: "u32",
      height: "u32",
      width: "u32",
    },
    reads: { pixels: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  let image = row / (p.down * p.across);
  let place = row % (p.down * p.across);
  let channel = column / (p.size * p.size);
  let y = (place / p.across) * p.size + (column / p.size) % p.size;
  let x = (place % p.across) * p.size + column % p.size;
  out[i] = pixels[((image * p.channels + channel) * p.height + y) * p.width + x];
}`,
  });
}

/** Mean of each row's heads; `features` counts the numbers of a head. */
export function headMean(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", heads: "u32", xOffset: "u32", xStride: "u32" },
    reads: { x: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  var sum = 0.0;
  for (var head = 0u; head < p.heads; head++) {
    sum += x[p.xOffset + row * p.xStride + head * p.features + column];
  }
  out[i] = sum / f32(p.heads);
}`,
  });
}

/** Σⱼ shares[row, j] · x[j]. */
export function mixRows(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: {
      rows: "u32",
      features: "u32",
      count: "u32",
      sharesOffset: "u32",
      sharesStride: "u32",
      xOffset: "u32",
      xStride: "u32",
    },
    reads: { shares: "array<f32>", x: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ROW_THREADS,
    main: `
${FOR_EACH}
  var sum = 0.0;
  for (var j = 0u; j < p.count; j++) {
    sum += shares[p.sharesOffset + row * p.sharesStride + j] * x[p.xOffset + j * p.xStride + column];
  }
  out[i] = sum;
}`,
  });
}
