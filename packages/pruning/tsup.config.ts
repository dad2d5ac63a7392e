import { defineConfig } from "tsup";

export default defineConfig({
  // Beside the index, the modules that worker threads load by URL.
  entry: {
    index: "src/index.ts",
    "statistics-stage": "src/scores/statistics-stage.ts",
    "histogram-stage": "src/sparsity/histogram-stage.ts",
    "sparsify-stage": "src/sparsity/sparsify-stage.ts",
    "linear-algebra-worker": "src/refit/linear-algebra-worker.ts",
  },
  format: "esm",
  target: "node20",
  platform: "node",
  sourcemap: true,
  clean: true,
});
