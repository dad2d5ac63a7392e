import { instantiateKernels, reserveMemory } from "@vlmopt/tensor-io/browser";
import { wasm } from "../generated/linear-algebra.wasm.ts";

/**
 * Products and triangular solves of matrices of doubles that lie, by rows, in one memory. Places and strides are counted in doubles. Numbers
 * of rows are multiples of 2, of columns of 4, of a product's depth of 2; `size` of a square is a multiple of 4 and its stride.
 */
export interface DenseKernels {
  /** The memory, at least `length` doubles long; it may move, which leaves views taken before empty. */
  reserve(length: number): Float64Array;
  /** c[rows, columns] −= a[rows, depth] · b[columns, depth]ᵀ. */
  subtractProduct(
    c: number,
    strideC: number,
    a: number,
    strideA: number,
    b: number,
    strideB: number,
    rows: number,
    columns: number,
    depth: number,
  ): void;
  /** y[rows] −= a[rows, columns] · x[columns]. */
  subtractMatrixVector(y: number, a: number, strideA: number, x: number, rows: number, columns: number): void;
  /** x[rows, size] ← x · L⁻ᵀ, L lower triangular; what stands above its diagonal is not read. */
  solveForward(x: number, l: number, rows: number, size: number): void;
  /** x[rows, size] ← x · L⁻¹, given U = Lᵀ; what stands below its diagonal is not read. */
  solveBackward(x: number, u: number, rows: number, size: number): void;
  /**
   * The lower triangle of `a` becomes L with L·Lᵀ = a.
   * @param least place of what each pivot has to be greater than
   * @returns the first pivot that is not, left in its place, or −1
   */
  factorize(a: number, size: number, least: number): number;
  /** to[size, size] ← from[size, size]ᵀ. */
  transpose(to: number, from: number, size: number): void;
}

/** Behind the kernels' own constants. */
const FIRST_BYTE = 65_536;

/** With a memory of their own, in WebAssembly where there is SIMD. */
export function denseKernels(): DenseKernels {
  const exports = instantiateKernels<Omit<DenseKernels, "reserve">>(wasm);
  if (exports === undefined) return plainKernels();
  const { memory, ...run } = exports;
  const address = (place: number) => FIRST_BYTE + 8 * place;
  return {
    reserve(length) {
      reserveMemory(memory, FIRST_BYTE + 8 * length);
      return new Float64Array(memory.buffer, FIRST_BYTE, length);
    },
    subtractProduct(c, strideC, a, strideA, b, strideB, rows, columns, depth) {
      const [bytesC, bytesA, bytesB] = [8 * strideC, 8 * strideA, 8 * strideB];
      run.subtractProduct(address(c), bytesC, address(a), bytesA, address(b), bytesB, rows, columns, depth);
    },
    subtractMatrixVector(y, a, strideA, x, rows, columns) {
      run.subtractMatrixVector(address(y), address(a), 8 * strideA, address(x), rows, columns);
    },
    solveForward: (x, l, rows, size) => run.solveForward(address(x), address(l), rows, size),
    solveBackward: (x, u, rows, size) => run.solveBackward(address(x), address(u), rows, size),
    factorize: (a, size, least) => run.factorize(address(a), size, address(least)),
    transpose: (to, from, size) => run.transpose(address(to), address(from), size),
  };
}

/** The same, one element at a time. */
function plainKernels(): DenseKernels {
  let memory = new Float64Array(0);
  const at = (place: number) => memory[place] as number;
  const dot = (a: number, b: number, length: number) => {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += at(a + k) * at(b + k);
    return sum;
  };
  return {
    reserve(length) {
      if (length > memory.length) {
        const earlier = memory;
        memory = new Float64Array(length);
        memory.set(earlier);
      }
      return memory;
    },
    subtractProduct(c, strideC, a, strideA, b, strideB, rows, columns, depth) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          memory[c + i * strideC + j] =
            at(c + i * strideC + j) - dot(a + i * strideA, b + j * strideB, depth);
        }
      }
    },
    subtractMatrixVector(y, a, strideA, x, rows, columns) {
      for (let i = 0; i < rows; i++) memory[y + i] = at(y + i) - dot(a + i * strideA, x, columns);
    },
    solveForward(x, l, rows, size) {
      for (let i = 0; i < rows; i++) {
        const row = x + i * size;
        for (let j = 0; j < size; j++) {
          memory[row + j] = (at(row + j) - dot(row, l + j * size, j)) / at(l + j * size + j);
        }
      }
    },
    solveBackward(x, u, rows, size) {
      for (let i = 0; i < rows; i++) {
        const row = x + i * size;
        for (let j = size - 1; j >= 0; j--) {
          const later = dot(row + j + 1, u + j * size + j + 1, size - 1 - j);
          memory[row + j] = (at(row + j) - later) / at(u + j * size + j);
        }
      }
    },
    factorize(a, size, least) {
      for (let i = 0; i < size; i++) {
        const row = a + i * size;
        for (let j = 0; j < i; j++) {
          const other = a + j * size;
          memory[row + j] = (at(row + j) - dot(row, other, j)) / at(other + j);
        }
        const pivot = at(row + i) - dot(row, row, i);
        if (!(pivot > at(least + i))) {
          memory[row + i] = pivot;
          return i;
        }
        memory[row + i] = Math.sqrt(pivot);
      }
      return -1;
    },
    transpose(to, from, size) {
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) memory[to + j * size + i] = at(from + i * size + j);
      }
    },
  };
}
