// Passes between a picture's encoder and the decoder, where some of its tokens go on.
import { rowInput } from "./image-encoders/image-encoder.ts";
import { type ForwardPass, forwardPass, type InputSpec } from "./ops.ts";

/** Some of the rows of `x`: `chosen` `[1, rows, features]`. */
export function chosenRows(features: number): ForwardPass {
  return forwardPass({ x: rowsOf(features), rows: rowInput }, (ops, { x, rows }) => ({
    chosen: ops.takeRows(x, rows),
  }));
}

/** Weighted sums of the rows of `x`, `shares` `[1, sums, rows]`: `chosen` `[1, sums, features]`. */
export function mixedRows(features: number): ForwardPass {
  const shares: InputSpec = { dtype: "F32", shape: [1, undefined, undefined] };
  return forwardPass({ x: rowsOf(features), shares }, (ops, given) => ({
    chosen: ops.mixRows(given.shares, given.x),
  }));
}

function rowsOf(features: number): InputSpec {
  return { dtype: "F32", shape: [1, undefined, features] };
}
