// Products and triangular solves of matrices of doubles, stored by rows. Both sides of a product have their common dimension contiguous, so
// that a sum over it runs in pairs and nothing is packed. Addresses and strides are in bytes. Numbers of rows are multiples of 2, of
// columns of 4, of a product's depth of 2.

/** c[2, 4] −= a[2, depth] · b[4, depth]ᵀ. Eight sums are what 16 registers hold beside the factors. */
// @ts-ignore: decorator
@inline
function subtractBlock(c: usize, strideC: usize, a: usize, strideA: usize, b: usize, strideB: usize, depth: i32): void {
  let sum00 = f64x2.splat(0);
  let sum01 = f64x2.splat(0);
  let sum02 = f64x2.splat(0);
  let sum03 = f64x2.splat(0);
  let sum10 = f64x2.splat(0);
  let sum11 = f64x2.splat(0);
  let sum12 = f64x2.splat(0);
  let sum13 = f64x2.splat(0);
  let a0 = a;
  let a1 = a + strideA;
  let b0 = b;
  let b1 = b0 + strideB;
  let b2 = b1 + strideB;
  let b3 = b2 + strideB;
  const end = a + (<usize>depth << 3);
  while (a0 < end) {
    const left0 = v128.load(a0);
    const left1 = v128.load(a1);
    const right0 = v128.load(b0);
    sum00 = f64x2.add(sum00, f64x2.mul(left0, right0));
    sum10 = f64x2.add(sum10, f64x2.mul(left1, right0));
    const right1 = v128.load(b1);
    sum01 = f64x2.add(sum01, f64x2.mul(left0, right1));
    sum11 = f64x2.add(sum11, f64x2.mul(left1, right1));
    const right2 = v128.load(b2);
    sum02 = f64x2.add(sum02, f64x2.mul(left0, right2));
    sum12 = f64x2.add(sum12, f64x2.mul(left1, right2));
    const right3 = v128.load(b3);
    sum03 = f64x2.add(sum03, f64x2.mul(left0, right3));
    sum13 = f64x2.add(sum13, f64x2.mul(left1, right3));
    a0 += 16;
    a1 += 16;
    b0 += 16;
    b1 += 16;
    b2 += 16;
    b3 += 16;
  }
  subtractPair(c, sum00, sum01);
  subtractPair(c + 16, sum02, sum03);
  subtractPair(c + strideC, sum10, sum11);
  subtractPair(c + strideC + 16, sum12, sum13);
}

/** c[0] −= left[0] + left[1], c[1] −= right[0] + right[1]. */
// @ts-ignore: decorator
@inline
function subtractPair(c: usize, left: v128, right: v128): void {
  const sums = f64x2.add(v128.shuffle<f64>(left, right, 0, 2), v128.shuffle<f64>(left, right, 1, 3));
  v128.store(c, f64x2.sub(v128.load(c), sums));
}

/** c[rows, columns] −= a[rows, depth] · b[columns, depth]ᵀ. Fast where `depth` rows of both fit into the first caches (some 128). */
export function subtractProduct(
  c: usize,
  strideC: usize,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  rows: i32,
  columns: i32,
  depth: i32,
): void {
  for (let j = 0; j < columns; j += 4) {
    const right = b + <usize>j * strideB;
    for (let i = 0; i < rows; i += 2) {
      subtractBlock(c + <usize>i * strideC + (<usize>j << 3), strideC, a + <usize>i * strideA, strideA, right, strideB, depth);
    }
  }
}

// @ts-ignore: decorator
@inline
function at(row: usize, column: i32): f64 {
  return load<f64>(row + (<usize>column << 3));
}

// @ts-ignore: decorator
@inline
function put(row: usize, column: i32, value: f64): void {
  store<f64>(row + (<usize>column << 3), value);
}

/** Four columns, `x` on, of x·Lᵀ = b, those before them being known and subtracted: `l` points at the diagonal of L. */
// @ts-ignore: decorator
@inline
function substituteForward(x: usize, l: usize, strideL: usize): void {
  const l1 = l + strideL;
  const l2 = l1 + strideL;
  const l3 = l2 + strideL;
  const x0 = at(x, 0) / at(l, 0);
  const x1 = (at(x, 1) - x0 * at(l1, 0)) / at(l1, 1);
  const x2 = (at(x, 2) - x0 * at(l2, 0) - x1 * at(l2, 1)) / at(l2, 2);
  put(x, 0, x0);
  put(x, 1, x1);
  put(x, 2, x2);
  put(x, 3, (at(x, 3) - x0 * at(l3, 0) - x1 * at(l3, 1) - x2 * at(l3, 2)) / at(l3, 3));
}

/** The same of x·L = b, from the last of the four columns back; `u` points at the diagonal of U = Lᵀ. */
// @ts-ignore: decorator
@inline
function substituteBackward(x: usize, u: usize, strideU: usize): void {
  const u1 = u + strideU;
  const u2 = u1 + strideU;
  const u3 = u2 + strideU;
  const x3 = at(x, 3) / at(u3, 3);
  const x2 = (at(x, 2) - x3 * at(u2, 3)) / at(u2, 2);
  const x1 = (at(x, 1) - x3 * at(u1, 3) - x2 * at(u1, 2)) / at(u1, 1);
  put(x, 3, x3);
  put(x, 2, x2);
  put(x, 1, x1);
  put(x, 0, (at(x, 0) - x3 * at(u, 3) - x2 * at(u, 2) - x1 * at(u, 1)) / at(u, 0));
}

/** x[rows, size] ← x · L⁻ᵀ, L `[size, size]` lower triangular; what stands above its diagonal is not read. */
export function solveForward(x: usize, l: usize, rows: i32, size: i32): void {
  const stride = <usize>size << 3;
  for (let j = 0; j < size; j += 4) {
    const row = l + <usize>j * stride;
    const offset = <usize>j << 3;
    for (let i = 0; i < rows; i += 2) {
      const left = x + <usize>i * stride;
      subtractBlock(left + offset, stride, left, stride, row, stride, j);
      substituteForward(left + offset, row + offset, stride);
      substituteForward(left + stride + offset, row + offset, stride);
    }
  }
}

/** x[rows, size] ← x · L⁻¹, given U = Lᵀ `[size, size]`; what stands below its diagonal is not read. */
export function solveBackward(x: usize, u: usize, rows: i32, size: i32): void {
  const stride = <usize>size << 3;
  for (let j = size - 4; j >= 0; j -= 4) {
    const row = u + <usize>j * stride;
    const offset = <usize>j << 3;
    for (let i = 0; i < rows; i += 2) {
      const left = x + <usize>i * stride;
      subtractBlock(left + offset, stride, left + offset + 32, stride, row + offset + 32, stride, size - 4 - j);
      substituteBackward(left + offset, row + offset, stride);
      substituteBackward(left + stride + offset, row + offset, stride);
    }
  }
}

/**
 * The lower triangle of `a` `[size, size]` becomes L with L·Lᵀ = a.
 * @param least of each pivot, what it has to be greater than
 * @returns the first pivot that is not, left in its place, or −1
 */
export function factorize(a: usize, size: i32, least: usize): i32 {
  const stride = <usize>size << 3;
  for (let j = 0; j < size; j += 4) {
    const row = a + <usize>j * stride;
    const offset = <usize>j << 3;
    for (let i = j; i < size; i += 2) {
      const left = a + <usize>i * stride;
      subtractBlock(left + offset, stride, left, stride, row, stride, j);
      if (i < j + 4) {
        if (i == j) continue;
        for (let pivot = 0; pivot < 4; pivot++) {
          const pivotRow = row + <usize>pivot * stride + offset;
          for (let k = 0; k <= pivot; k++) {
            const other = row + <usize>k * stride + offset;
            let value = at(pivotRow, k);
            for (let l = 0; l < k; l++) value -= at(pivotRow, l) * at(other, l);
            if (k < pivot) value /= at(other, k);
            else if (value > at(least, j + pivot)) value = sqrt(value);
            else {
              put(pivotRow, k, value);
              return j + pivot;
            }
            put(pivotRow, k, value);
          }
        }
        continue;
      }
      substituteForward(left + offset, row + offset, stride);
      substituteForward(left + stride + offset, row + offset, stride);
    }
  }
  return -1;
}

/** to[size, size] ← from[size, size]ᵀ. */
export function transpose(to: usize, from: usize, size: i32): void {
  const stride = <usize>size << 3;
  for (let i = 0; i < size; i += 2) {
    const row0 = from + <usize>i * stride;
    const row1 = row0 + stride;
    for (let j = 0; j < size; j += 2) {
      const top = v128.load(row0 + (<usize>j << 3));
      const bottom = v128.load(row1 + (<usize>j << 3));
      const target = to + <usize>j * stride + (<usize>i << 3);
      v128.store(target, v128.shuffle<f64>(top, bottom, 0, 2));
      v128.store(target + stride, v128.shuffle<f64>(top, bottom, 1, 3));
    }
  }
}

/** y[rows] −= a[rows, columns] · x[columns]; columns in twos. */
export function subtractMatrixVector(y: usize, a: usize, strideA: usize, x: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < rows; i += 2) {
    const row0 = a + <usize>i * strideA;
    const row1 = row0 + strideA;
    let sum0 = f64x2.splat(0);
    let sum1 = f64x2.splat(0);
    let sum2 = f64x2.splat(0);
    let sum3 = f64x2.splat(0);
    let k: usize = 0;
    const end = <usize>columns << 3;
    if (columns & 2) {
      const value = v128.load(x);
      sum0 = f64x2.mul(v128.load(row0), value);
      sum1 = f64x2.mul(v128.load(row1), value);
      k = 16;
    }
    for (; k < end; k += 32) {
      const value0 = v128.load(x + k);
      const value1 = v128.load(x + k, 16);
      sum0 = f64x2.add(sum0, f64x2.mul(v128.load(row0 + k), value0));
      sum1 = f64x2.add(sum1, f64x2.mul(v128.load(row1 + k), value0));
      sum2 = f64x2.add(sum2, f64x2.mul(v128.load(row0 + k, 16), value1));
      sum3 = f64x2.add(sum3, f64x2.mul(v128.load(row1 + k, 16), value1));
    }
    subtractPair(y + (<usize>i << 3), f64x2.add(sum0, sum2), f64x2.add(sum1, sum3));
  }
}
