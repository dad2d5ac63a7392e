// Least squares on the card: a blocked Cholesky factor in F32, whose solutions are refined by what they leave.
import type { LinearAlgebra } from "@vlmopt/models";
import type { CommandQueue } from "./command-queue.ts";
import { bufferBytes, encode, type Pipelines, PlanBuilder } from "./gpu-plan.ts";
import { readBuffer } from "./gpu-tensor.ts";
import { CHOLESKY_BLOCK, factorBlock, multiplyByInverse } from "./kernels/cholesky.ts";
import { ELEMENTWISE_THREADS, elementwise } from "./kernels/elementwise.ts";
import { SUBTRACT_TILE, type SubtractOptions, subtractProducts } from "./kernels/subtract-products.ts";
import type { GpuContext } from "./webgpu-device.ts";

type Matrix = Float32Array | Float64Array;

/** Times that a solution is made better by what it leaves. */
const REFINEMENTS = 2;

export function gpuLinearAlgebra(gpu: GpuContext, queue: CommandQueue, pipelines: Pipelines): LinearAlgebra {
  const { device } = gpu;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

  /** @throws {RangeError} where the card does not hold so many numbers in one piece */
  function room(count: number): GPUBuffer {
    const size = bufferBytes(4 * count);
    const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    if (size > most)
      throw new RangeError(
        `${gpu.name} holds matrices of ${most} bytes, and one has ${size}: solve on the processor`,
      );
    return device.createBuffer({ size, usage });
  }
  const uploaded = (data: Float32Array) => {
    const buffer = room(data.length);
    device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
    return buffer;
  };
  const read = async (buffer: GPUBuffer, count: number) =>
    new Float32Array(await readBuffer(gpu, queue, buffer, 4 * count));
  async function run(write: (plan: PlanBuilder) => void): Promise<void> {
    const plan = new PlanBuilder(gpu, pipelines);
    write(plan);
    const { commands, buffers } = await plan.finish();
    encode(queue.encoder, commands);
    queue.send();
    for (const buffer of buffers) buffer.destroy();
  }

  async function solve(a: Matrix, n: number, ridge: number, b: Matrix): Promise<Float32Array> {
    if (a.length !== n * n || b.length % n !== 0) {
      throw new RangeError(
        `a matrix of ${n} × ${n} and rows of ${n} are needed; there are ${a.length} and ${b.length} numbers`,
      );
    }
    const m = b.length / n;
    const raised = new Float32Array(a);
    for (let i = 0; i < n; i++) raised[i * n + i] = (a[i * n + i] as number) + ridge;
    const wanted = b instanceof Float32Array ? b : new Float32Array(b);
    const buffers = new Map<string, GPUBuffer>();
    const own = (name: string, buffer: GPUBuffer) => {
      buffers.set(name, buffer);
      return buffer;
    };
    try {
      const matrix = own("matrix", uploaded(raised));
      const factor = own("factor", uploaded(raised));
      const inverses = own("inverses", room(Math.ceil(n / CHOLESKY_BLOCK) * CHOLESKY_BLOCK ** 2));
      const failed = own("failed", room(1));
      await run((plan) => factorize(plan, { n, factor, inverses, failed }));
      const [pivot = 0] = new Uint32Array((await read(failed, 1)).buffer);
      if (pivot > 0) {
        throw new RangeError(
          `the matrix of ${n} columns is not positive definite: pivot ${pivot} is not above 0 with a ridge of ${ridge}; raise the ridge or give more tokens`,
        );
      }
      const target = own("target", uploaded(wanted));
      const rest = own("rest", uploaded(wanted));
      const solution = own("solution", room(m * n));
      const size = 4 * m * n;
      for (let step = 0; step <= REFINEMENTS; step++) {
        if (step > 0) {
          queue.encoder.copyBufferToBuffer(target, 0, rest, 0, size);
          await run((plan) =>
            subtract(
              plan,
              { inside: "none", right: "plain", lower: false, compensated: true },
              [solution, matrix, rest],
              {
                ...{ rows: m, columns: n, depth: n },
                ...{
                  leftOffset: 0,
                  leftStride: n,
                  rightOffset: 0,
                  rightStride: n,
                  outOffset: 0,
                  outStride: n,
                },
              },
            ),
          );
        }
        await run((plan) => substitute(plan, { m, n, factor, inverses, rest }));
        await run((plan) => addTo(plan, solution, rest, m * n));
      }
      return await read(solution, m * n);
    } finally {
      queue.send();
      for (const buffer of buffers.values()) buffer.destroy();
    }
  }

  async function multiply(a: Matrix, b: Matrix, depth: number): Promise<Float32Array> {
    const [rows, columns] = [a.length / depth, b.length / depth];
    const buffers = [a, b].map((matrix) => uploaded(new Float32Array(matrix)));
    try {
      const product = room(rows * columns);
      buffers.push(product);
      const options = { inside: "none", right: "transposed", lower: false, compensated: true } as const;
      await run((plan) =>
        subtract(plan, options, buffers, {
          ...{ rows, columns, depth, leftOffset: 0, leftStride: depth },
          ...{ rightOffset: 0, rightStride: depth, outOffset: 0, outStride: columns },
        }),
      );
      const negative = await read(product, rows * columns);
      for (let i = 0; i < negative.length; i++) negative[i] = 0 - (negative[i] as number);
      return negative;
    } finally {
      queue.send();
      for (const buffer of buffers) buffer.destroy();
    }
  }

  return {
    solve,
    multiply,
    async invert(a, n, ridge) {
      const one = new Float32Array(n * n);
      for (let i = 0; i < n; i++) one[i * n + i] = 1;
      return new Float64Array(await solve(a, n, ridge, one));
    },
  };

  /** solution += rest. */
  function addTo(plan: PlanBuilder, solution: GPUBuffer, rest: GPUBuffer, count: number): void {
    const sum = plan.own(4 * count);
    const whole = {
      rows: 1,
      features: count,
      factor: 1,
      aOffset: 0,
      aStride: count,
      bOffset: 0,
      bStride: count,
    };
    const quads = count % 4 === 0;
    const groups = plan.groupsFor(Math.ceil(count / 4), ELEMENTWISE_THREADS);
    const shape = { ...whole, bRows: 1, outStride: count };
    plan.dispatch(
      elementwise,
      [{ of: "add" }, { quads, halves: false }],
      shape,
      [solution, rest, sum],
      groups,
    );
    plan.dispatch(elementwise, [{ of: "copy" }, { quads, halves: false }], shape, [sum, solution], groups);
  }
}

interface Factor {
  readonly n: number;
  readonly factor: GPUBuffer;
  readonly inverses: GPUBuffer;
}

const blocksOf = (n: number) =>
  Array.from({ length: Math.ceil(n / CHOLESKY_BLOCK) }, (_, i) => ({
    first: i * CHOLESKY_BLOCK,
    size: Math.min(CHOLESKY_BLOCK, n - i * CHOLESKY_BLOCK),
  }));

function factorize(plan: PlanBuilder, { n, factor, inverses, failed }: Factor & { failed: GPUBuffer }): void {
  for (const { first, size } of blocksOf(n)) {
    plan.dispatch(factorBlock, [], { n, first, size }, [factor, inverses, failed], [1]);
    const behind = first + size;
    const rows = n - behind;
    multiply(plan, "forward", { rows, firstRow: behind, stride: n, first, size }, inverses, factor);
    subtract(plan, { inside: "both", right: "transposed", lower: true, compensated: false }, [factor], {
      ...{ rows, columns: rows, depth: size },
      ...{ leftOffset: behind * n + first, leftStride: n, rightOffset: behind * n + first, rightStride: n },
      ...{ outOffset: behind * n + behind, outStride: n },
    });
  }
}

/** rest ← rest · (L·Lᵀ)⁻¹, block of columns by block of columns, there and back. */
function substitute(
  plan: PlanBuilder,
  { m, n, factor, inverses, rest }: Factor & { readonly m: number; readonly rest: GPUBuffer },
): void {
  const blocks = blocksOf(n);
  for (const { first, size } of blocks) {
    multiply(plan, "forward", { rows: m, firstRow: 0, stride: n, first, size }, inverses, rest);
    const behind = first + size;
    subtract(
      plan,
      { inside: "left", right: "transposed", lower: false, compensated: false },
      [factor, rest],
      {
        ...{ rows: m, columns: n - behind, depth: size, leftOffset: first, leftStride: n },
        ...{ rightOffset: behind * n + first, rightStride: n, outOffset: behind, outStride: n },
      },
    );
  }
  for (const { first, size } of blocks.reverse()) {
    multiply(plan, "back", { rows: m, firstRow: 0, stride: n, first, size }, inverses, rest);
    subtract(plan, { inside: "left", right: "plain", lower: false, compensated: false }, [factor, rest], {
      ...{ rows: m, columns: first, depth: size, leftOffset: first, leftStride: n },
      ...{ rightOffset: first * n, rightStride: n, outOffset: 0, outStride: n },
    });
  }
}

function multiply(
  plan: PlanBuilder,
  way: "forward" | "back",
  params: Readonly<Record<"rows" | "firstRow" | "stride" | "first" | "size", number>>,
  inverses: GPUBuffer,
  matrix: GPUBuffer,
): void {
  plan.dispatch(
    multiplyByInverse,
    [way],
    params,
    [inverses, matrix],
    [Math.ceil(params.rows / CHOLESKY_BLOCK)],
  );
}

function subtract(
  plan: PlanBuilder,
  options: SubtractOptions,
  buffers: readonly GPUBuffer[],
  params: Readonly<Record<string, number>> & { readonly rows: number; readonly columns: number },
): void {
  const groups = [Math.ceil(params.columns / SUBTRACT_TILE), Math.ceil(params.rows / SUBTRACT_TILE)] as const;
  plan.dispatch(subtractProducts, [options], params, buffers, groups);
}
