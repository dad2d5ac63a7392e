import { defineConfig } from "tsup";

export default defineConfig({
  // Beside the index, the modules that processes of models run.
  entry: {
    index: "src/index.ts",
    process: "src/process.ts",
    "engine-worker": "src/targets/engine-worker.ts",
    "shape-worker": "src/shapes/shape-worker.ts",
  },
  format: "esm",
  target: "node20",
  platform: "node",
  sourcemap: true,
  clean: true,
});
