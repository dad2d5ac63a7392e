import { defineConfig } from "tsup";

export default defineConfig({
  // Beside what is imported by name, the modules that worker threads load by URL.
  entry: {
    index: "src/index.ts",
    browser: "src/browser.ts",
    "format-stage": "src/checkpoint/format-stage.ts",
  },
  format: "esm",
  target: "node20",
  platform: "node",
  sourcemap: true,
  clean: true,
});
