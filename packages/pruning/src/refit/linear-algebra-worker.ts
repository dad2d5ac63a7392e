import { parentPort, workerData } from "node:worker_threads";
import { type CholeskyTiles, type FailedPivot, factorizeTiles, identityRows, solveRows } from "./cholesky.ts";
import { denseKernels } from "./dense-kernels.ts";
import { productTransposed } from "./product.ts";
import { type RoundedRows, type RoundingGrid, roundRows } from "./round-rows.ts";

/** Takes part in factorizing, solves for rows of B, gives rows of the inverse, or of a product, or rounds rows. */
export type ToWorker =
  | { readonly kind: "factorize" }
  | { readonly kind: "solve"; readonly b: Float32Array | Float64Array }
  | { readonly kind: "invert"; readonly first: number; readonly rows: number }
  | {
      readonly kind: "multiply";
      readonly a: Float32Array | Float64Array;
      /** Shared. */
      readonly b: Float32Array | Float64Array;
      readonly depth: number;
    }
  | {
      readonly kind: "round";
      readonly weight: Float32Array | Float64Array;
      readonly order: Uint32Array;
      readonly grid: RoundingGrid;
    };

export type FromWorker =
  | { readonly kind: "factorized"; readonly failed: FailedPivot | undefined }
  | { readonly kind: "rows"; readonly rows: Float64Array }
  | { readonly kind: "rounded"; readonly rounded: RoundedRows };

/** Whoever multiplies has none. */
const tiles: CholeskyTiles = workerData;
const kernels = denseKernels();

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind === "factorize") {
    send({ kind: "factorized", failed: factorizeTiles(tiles, kernels) });
    return;
  }
  if (message.kind === "round") {
    const rounded = roundRows(tiles, kernels, message.weight, message.order, message.grid);
    send({ kind: "rounded", rounded }, [rounded.codes.buffer as ArrayBuffer]);
    return;
  }
  const rows = rowsFor(message);
  send({ kind: "rows", rows }, [rows.buffer as ArrayBuffer]);
});

function rowsFor(message: Exclude<ToWorker, { readonly kind: "factorize" | "round" }>): Float64Array {
  if (message.kind === "multiply") return productTransposed(kernels, message.a, message.b, message.depth);
  if (message.kind === "solve") return solveRows(tiles, kernels, message.b);
  return solveRows(tiles, kernels, identityRows(tiles.n, message.first, message.rows), message.first);
}

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
