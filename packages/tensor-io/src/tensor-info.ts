import type { Dtype } from "./dtype.ts";

/** What a tensor is, apart from where its bytes are. `shape` is row-major: a linear's weight is `[out, in]`. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor of an opened checkpoint and the place of its bytes. */
export interface TensorInfo extends TensorSpec {
  /** The file that holds it: a path, a URL, or the name its source was given. */
  readonly file: string;
  /** Bytes from the start of that file. */
  readonly offset: number;
  readonly byteLength: number;
}
