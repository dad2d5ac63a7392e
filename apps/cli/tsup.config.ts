import { defineConfig } from "tsup";

export default defineConfig({
  // Beside the command line, the module that a model's process runs.
  entry: ["src/main.ts", "src/model-worker.ts"],
  format: "esm",
  target: "node20",
  platform: "node",
  sourcemap: true,
  clean: true,
});
