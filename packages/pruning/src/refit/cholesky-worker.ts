import { parentPort, workerData } from "node:worker_threads";
import { type CholeskyTiles, type FailedPivot, factorizeTiles, identityRows, solveRows } from "./cholesky.ts";
import { denseKernels } from "./dense-kernels.ts";

/** Takes part in factorizing, solves for rows of B, or gives rows of the inverse. */
export type ToCholeskyWorker =
  | { readonly kind: "factorize" }
  | { readonly kind: "solve"; readonly b: Float32Array | Float64Array }
  | { readonly kind: "invert"; readonly first: number; readonly rows: number };

export type FromCholeskyWorker =
  | { readonly kind: "factorized"; readonly failed: FailedPivot | undefined }
  | { readonly kind: "solved"; readonly x: Float64Array };

const tiles: CholeskyTiles = workerData;
const kernels = denseKernels();

parentPort?.on("message", (message: ToCholeskyWorker) => {
  if (message.kind === "factorize") {
    send({ kind: "factorized", failed: factorizeTiles(tiles, kernels) });
    return;
  }
  const x =
    message.kind === "solve"
      ? solveRows(tiles, kernels, message.b)
      : solveRows(tiles, kernels, identityRows(tiles.n, message.first, message.rows), message.first);
  send({ kind: "solved", x }, [x.buffer as ArrayBuffer]);
});

function send(message: FromCholeskyWorker, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
