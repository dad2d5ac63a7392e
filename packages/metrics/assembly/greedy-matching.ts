// Greedy cosine matching of two texts' tokens: every token's greatest similarity to a token of the other text.
//
// Rows are of whole vectors (zeros fill them up) and stand one behind the other; room for two rows is behind each text's last.

/** Scales each row to length 1; rows of zeros stay. */
export function normalize(rows: usize, count: i32, width: i32): void {
  const rowBytes = (<usize>width) << 2;
  for (let i = 0; i < count; i++) {
    let squares = f32x4.splat(0);
    const end = rows + rowBytes;
    for (let at = rows; at < end; at += 16) {
      const four = v128.load(at);
      squares = f32x4.add(squares, f32x4.mul(four, four));
    }
    const norm = sqrt<f32>(lanes(squares));
    const factor = f32x4.splat(norm > 0 ? 1 / norm : 0);
    for (; rows < end; rows += 16) v128.store(rows, f32x4.mul(v128.load(rows), factor));
  }
}

// @ts-ignore: decorator
@inline
function lanes(four: v128): f32 {
  const two = f32x4.add(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1);
}

/** The sums of four vectors' lanes, side by side. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/**
 * Greatest product of each row of `a` with a row of `b`, and the other way round. Rows come four of `a` with two of `b`; the last
 * row of each is repeated where it does not come out even, which changes no maximum.
 * @param maxA room for a multiple of four numbers
 * @param maxB room for a multiple of two
 */
export function match(a: usize, countA: i32, b: usize, countB: i32, width: i32, maxA: usize, maxB: usize): void {
  const rowBytes = (<usize>width) << 2;
  repeatLast(a, countA, (countA + 3) & ~3, rowBytes);
  repeatLast(b, countB, (countB + 1) & ~1, rowBytes);
  for (let j = 0; j < ((countB + 1) & ~1); j++) store<f32>(maxB + ((<usize>j) << 2), -Infinity);
  for (let i = 0; i < countA; i += 4) {
    let greatest = f32x4.splat(-Infinity);
    let b0 = b;
    for (let j = 0; j < countB; j += 2) {
      const b1 = b0 + rowBytes;
      const a1 = a + rowBytes;
      const a2 = a1 + rowBytes;
      const a3 = a2 + rowBytes;
      let s00 = f32x4.splat(0);
      let s10 = s00;
      let s20 = s00;
      let s30 = s00;
      let s01 = s00;
      let s11 = s00;
      let s21 = s00;
      let s31 = s00;
      for (let k: usize = 0; k < rowBytes; k += 16) {
        const x0 = v128.load(a + k);
        const x1 = v128.load(a1 + k);
        const x2 = v128.load(a2 + k);
        const x3 = v128.load(a3 + k);
        const y0 = v128.load(b0 + k);
        s00 = f32x4.add(s00, f32x4.mul(x0, y0));
        s10 = f32x4.add(s10, f32x4.mul(x1, y0));
        s20 = f32x4.add(s20, f32x4.mul(x2, y0));
        s30 = f32x4.add(s30, f32x4.mul(x3, y0));
        const y1 = v128.load(b1 + k);
        s01 = f32x4.add(s01, f32x4.mul(x0, y1));
        s11 = f32x4.add(s11, f32x4.mul(x1, y1));
        s21 = f32x4.add(s21, f32x4.mul(x2, y1));
        s31 = f32x4.add(s31, f32x4.mul(x3, y1));
      }
      const of0 = sums(s00, s10, s20, s30);
      const of1 = sums(s01, s11, s21, s31);
      greatest = f32x4.max(greatest, f32x4.max(of0, of1));
      raise(maxB + ((<usize>j) << 2), of0);
      raise(maxB + ((<usize>j + 1) << 2), of1);
      b0 += 2 * rowBytes;
    }
    v128.store(maxA + ((<usize>i) << 2), greatest);
    a += 4 * rowBytes;
  }
}

// @ts-ignore: decorator
@inline
function raise(at: usize, four: v128): void {
  const two = f32x4.max(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  store<f32>(at, max<f32>(load<f32>(at), max<f32>(f32x4.extract_lane(two, 0), f32x4.extract_lane(two, 1))));
}

function repeatLast(rows: usize, count: i32, filled: i32, rowBytes: usize): void {
  const last = rows + <usize>(count - 1) * rowBytes;
  for (let i = count; i < filled; i++) memory.copy(rows + <usize>i * rowBytes, last, rowBytes);
}
