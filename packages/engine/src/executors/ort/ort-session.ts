// From a graph to a session of ONNX Runtime, and tensors to and from it.
import { realpath } from "node:fs/promises";
import { parse, relative } from "node:path";
import type * as ort from "onnxruntime-node";
import { type DeviceTensor, isDeviceTensor, type PassInput } from "../executor.ts";
import { NoGpuError } from "../webgpu/webgpu-device.ts";
import { encodeOnnx, type OnnxInitializer } from "./onnx-model.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import type { GraphWriter, PendingInitializer } from "./ort-graph.ts";
import { sideFile } from "./side-file.ts";

export interface SessionOptions {
  /** Of the processor; as many as it has cores unless told. */
  readonly threads?: number | undefined;
  /** ONNX Runtime's execution providers, in order of preference: `cpu` unless told. */
  readonly providers?: readonly string[] | undefined;
}

export async function createSession(
  graph: ReturnType<GraphWriter["finish"]>,
  { threads, providers = ["cpu"] }: SessionOptions,
): Promise<ort.InferenceSession> {
  const file = await sideFile();
  // Locations of weights are relative to a folder, and may not leave it: so it is the one that holds everything.
  const { root } = parse(process.cwd());
  const initializers: OnnxInitializer[] = [];
  try {
    for (const pending of graph.initializers) {
      const data = await placed(pending, file);
      const located =
        data instanceof Uint8Array
          ? data
          : { ...data, location: relative(root, await realpath(data.location)) };
      initializers.push({ ...pending, data: located });
    }
    return await onnxRuntime().InferenceSession.create(encodeOnnx({ ...graph, initializers }), {
      executionProviders: [...providers],
      graphOptimizationLevel: "all",
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      extra: { session: { model_external_initializers_file_folder_path: root } },
    });
  } catch (error) {
    if (!(error as Error).message.includes("WebGPU adapter")) throw error;
    throw new NoGpuError(
      "ONNX Runtime finds no graphics card for WebGPU: check the card's Vulkan driver, or run on the processor",
      { cause: error },
    );
  } finally {
    await file.remove();
  }
}

/** Bytes that would make the graph large are put into a file. */
const INLINE_BYTES = 1 << 16;

async function placed({ data }: PendingInitializer, file: Awaited<ReturnType<typeof sideFile>>) {
  if (!("load" in data))
    return data instanceof Uint8Array && data.byteLength > INLINE_BYTES ? file.append(data) : data;
  return file.append(await data.load());
}

export function ortTensor(input: PassInput | undefined, name: string): ort.Tensor {
  if (input === undefined) throw new TypeError(`the pass needs the input ${name}`);
  if (isDeviceTensor(input)) return (input as unknown as OrtDeviceTensor).tensor;
  const { Tensor } = onnxRuntime();
  return input.data instanceof Float32Array
    ? new Tensor("float32", input.data, input.shape)
    : new Tensor("int32", input.data, input.shape);
}

export interface OrtDeviceTensor extends DeviceTensor {
  readonly tensor: ort.Tensor;
}

export function deviceTensor(tensor: ort.Tensor): OrtDeviceTensor {
  return { tensor, shape: tensor.dims, read: async () => (await tensor.getData()) as Float32Array };
}
