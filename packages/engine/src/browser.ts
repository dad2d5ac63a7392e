// What works in a browser: nothing here, nor in what it imports, needs Node, sharp or ONNX Runtime.
export { type Checkpoint, openFiles, openUrl } from "@vlmopt/tensor-io/browser";
export * from "./anywhere.ts";
export { tfjsExecutor } from "./executors/tfjs/tfjs-in-browser.ts";
export { webgpuExecutor } from "./executors/webgpu/webgpu-in-browser.ts";
export { decodeImage } from "./images/decode-in-browser.ts";
export {
  clipEmbedder,
  languageScorer,
  loadEncoder,
  loadVlm,
  type VlmOptions,
} from "./load-in-browser.ts";
