// NF4 and FP4: every weight becomes the index of the codebook's value nearest to it, on the scale of its block.
//
// Blocks hold a multiple of 32 weights. An index comes from its rank, the number of thresholds below the scaled weight.
import { magnitudeBits } from "./_floats";

export { widenBf16, widenF16 } from "./_floats";

/** The smallest number that divides; PyTorch's clamp(min=1e-38). */
const SMALLEST: f32 = 1e-38;

/** Largest magnitude of each block. */
export function absmax(weights: usize, blocks: i32, blockSize: i32, scales: usize): void {
  for (let block = 0; block < blocks; block++) {
    store<u32>(scales, magnitudeBits(weights, blockSize));
    weights += (<usize>blockSize) << 2;
    scales += 4;
  }
}

// @ts-ignore: decorator
@inline
function factorOf(scale: f32): f32 {
  const magnitude = Mathf.abs(scale);
  return magnitude >= SMALLEST ? <f32>1 / scale : <f32>1 / SMALLEST;
}

/** Ranks of 16 weights: the thresholds, each in all four lanes of 16 bytes, that lie below them. */
// @ts-ignore: decorator
@inline
function ranks(weights: usize, factor: v128, thresholds: usize): v128 {
  const a = f32x4.mul(v128.load(weights), factor);
  const b = f32x4.mul(v128.load(weights, 16), factor);
  const c = f32x4.mul(v128.load(weights, 32), factor);
  const d = f32x4.mul(v128.load(weights, 48), factor);
  let rankA = i32x4.splat(0);
  let rankB = i32x4.splat(0);
  let rankC = i32x4.splat(0);
  let rankD = i32x4.splat(0);
  for (const end = thresholds + 15 * 16; thresholds < end; thresholds += 16) {
    const threshold = v128.load(thresholds);
    rankA = i32x4.sub(rankA, f32x4.gt(a, threshold));
    rankB = i32x4.sub(rankB, f32x4.gt(b, threshold));
    rankC = i32x4.sub(rankC, f32x4.gt(c, threshold));
    rankD = i32x4.sub(rankD, f32x4.gt(d, threshold));
  }
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(rankA, rankB), i16x8.narrow_i32x4_s(rankC, rankD));
}

/** Two indices a byte, the earlier one high; the low byte of each 16-bit lane. */
// @ts-ignore: decorator
@inline
function pairs(indices: v128): v128 {
  return v128.and(v128.or(i16x8.shl(indices, 4), i16x8.shr_u(indices, 8)), i16x8.splat(0xff));
}

/** `order`: the index of each rank, 16 bytes. `codes`: half a byte for each weight. */
export function encode(
  weights: usize,
  blocks: i32,
  blockSize: i32,
  scales: usize,
  thresholds: usize,
  order: usize,
  codes: usize,
): void {
  const indexOfRank = v128.load(order);
  for (let block = 0; block < blocks; block++) {
    const factor = f32x4.splat(factorOf(load<f32>(scales)));
    for (const end = weights + ((<usize>blockSize) << 2); weights < end; weights += 128) {
      const first = i8x16.swizzle(indexOfRank, ranks(weights, factor, thresholds));
      const second = i8x16.swizzle(indexOfRank, ranks(weights + 64, factor, thresholds));
      v128.store(codes, i8x16.narrow_i16x8_u(pairs(first), pairs(second)));
      codes += 16;
    }
    scales += 4;
  }
}

/** Weights summed up in 32 bits before the sums could overflow: 256 / 4 products of 2^12 · 2^12 a lane. */
const SEGMENT: i32 = 256;

/** Sum of four signed lanes. */
// @ts-ignore: decorator
@inline
function total(lanes: v128): f64 {
  const pairs = i64x2.add(i64x2.extend_low_i32x4_s(lanes), i64x2.extend_high_i32x4_s(lanes));
  return <f64>(i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1));
}

/**
 * Replaces each block's absmax by the scale of least squared error that a grid of candidates leads to, see absmax-search.ts.
 *
 * `grid`: for each candidate the 15 thresholds in units of 1/4096 of the absmax, each in all eight lanes of 16 bytes. `values`: low bytes, then
 * high bytes, of the 16 values in units of 1/4096. `scratch`: room for a block in 16 bits.
 */
export function search(
  weights: usize,
  blocks: i32,
  blockSize: i32,
  scales: usize,
  grid: usize,
  candidates: i32,
  values: usize,
  scratch: usize,
): void {
  const low = v128.load(values);
  const high = v128.load(values, 16);
  const blockBytes = (<usize>blockSize) << 2;
  for (let block = 0; block < blocks; block++, weights += blockBytes, scales += 4) {
    const absmax = load<f32>(scales);
    if (absmax < SMALLEST) continue;
    toFixedPoint(weights, blockSize, <f32>1 / absmax, scratch);

    let bestScore: f64 = 0;
    let best: f64 = 1;
    let thresholds = grid;
    for (let candidate = 0; candidate < candidates; candidate++, thresholds += 15 * 16) {
      let weightsByValues: f64 = 0;
      let valuesSquared: f64 = 0;
      for (let begin = 0; begin < blockSize; begin += SEGMENT) {
        let products = i32x4.splat(0);
        let squares = i32x4.splat(0);
        const end = scratch + ((<usize>min(begin + SEGMENT, blockSize)) << 1);
        for (let at = scratch + ((<usize>begin) << 1); at < end; at += 32) {
          const a = v128.load(at);
          const b = v128.load(at, 16);
          let rankA = i16x8.splat(0);
          let rankB = i16x8.splat(0);
          for (let t = thresholds, last = thresholds + 15 * 16; t < last; t += 16) {
            const threshold = v128.load(t);
            rankA = i16x8.sub(rankA, i16x8.gt_s(a, threshold));
            rankB = i16x8.sub(rankB, i16x8.gt_s(b, threshold));
          }
          const rank = i8x16.narrow_i16x8_u(rankA, rankB);
          const lows = i8x16.swizzle(low, rank);
          const highs = i8x16.swizzle(high, rank);
          const valueA = v128.shuffle<i8>(lows, highs, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
          const valueB = v128.shuffle<i8>(lows, highs, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
          products = i32x4.add(products, i32x4.add(i32x4.dot_i16x8_s(a, valueA), i32x4.dot_i16x8_s(b, valueB)));
          squares = i32x4.add(squares, i32x4.add(i32x4.dot_i16x8_s(valueA, valueA), i32x4.dot_i16x8_s(valueB, valueB)));
        }
        weightsByValues += total(products);
        valuesSquared += total(squares);
      }
      if (weightsByValues <= 0) continue;
      const score = (weightsByValues * weightsByValues) / valuesSquared;
      if (score > bestScore) {
        bestScore = score;
        best = weightsByValues / valuesSquared;
      }
    }
    store<f32>(scales, <f32>(<f64>absmax * best));
  }
}

/** Weights in units of 1 / 4096 of the absmax, whose inverse `factor` is, in 16 bits. */
// @ts-ignore: decorator
@inline
function toFixedPoint(weights: usize, count: i32, factor: f32, output: usize): void {
  const factors = f32x4.splat(factor);
  const unit = f32x4.splat(4096);
  for (const end = weights + ((<usize>count) << 2); weights < end; weights += 32) {
    const a = f32x4.nearest(f32x4.mul(f32x4.mul(v128.load(weights), factors), unit));
    const b = f32x4.nearest(f32x4.mul(f32x4.mul(v128.load(weights, 16), factors), unit));
    v128.store(output, i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(a), i32x4.trunc_sat_f32x4_s(b)));
    output += 16;
  }
}
