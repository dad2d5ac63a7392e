import { convert } from "../convert/convert.ts";
import type { Dtype } from "../dtype.ts";
import type { TensorSpec } from "../tensor-info.ts";
import type { Stage } from "./stage.ts";

/** Stage module of `cast`. */
export function createStage(input: TensorSpec, options: unknown): Stage {
  const { dtype } = options as { dtype: Dtype };
  return { push: (rows) => [convert(rows, input.dtype, dtype)] };
}
