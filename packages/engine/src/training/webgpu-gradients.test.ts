import { ortExecutor } from "@vlmopt/engine";
import { describe, test } from "vitest";
import { nodesGpu } from "../executors/webgpu/webgpu-in-node.ts";
import { expectFamilyGradients } from "../test-support/gradient-goldens.ts";

const adapter = await nodesGpu().then(
  (gpu) => gpu.requestAdapter(),
  () => null,
);

describe.skipIf(adapter === null)("ONNX Runtime's WebGPU provider", { timeout: 120_000 }, () => {
  test.each(["llama", "gemma2", "opt", "qwen3-vl"])("derives %s as PyTorch does", (name) =>
    expectFamilyGradients(name, ortExecutor({ activations: "float32", providers: ["webgpu"] })),
  );
});
