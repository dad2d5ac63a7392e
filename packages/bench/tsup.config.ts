import { defineConfig } from "tsup";

export default defineConfig({
  // Beside the index, the module that processes of models run.
  entry: { index: "src/index.ts", "engine-worker": "src/targets/engine-worker.ts" },
  format: "esm",
  target: "node20",
  platform: "node",
  sourcemap: true,
  clean: true,
});
