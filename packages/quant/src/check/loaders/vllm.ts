import type { Fact, Loader } from "../loader.ts";
import type { MarlinFacts } from "../marlin.ts";
import { serverProblems } from "../server-problems.ts";

const methods = [
  ...["compressed-tensors", "gptq", "awq", "bitsandbytes", "fp8", "modelopt", "modelopt_fp4", "torchao"],
  ...["auto-round", "hqq", "quark", "gguf", "fbgemm_fp8", "experts_int8"],
];
const read = (says: string, source: string): Fact => ({ says, source: `vLLM, ${source}`, date: "2026-11" });

const facts = {
  methods: read(
    "methods of quantization that have a class",
    "model_executor/layers/quantization/__init__.py at 0034007",
  ),
  config: read(
    "layers are built from config.json, and weights are looked for under their names",
    "model_loader",
  ),
  widths: read("one intermediate_size makes every layer", "model_executor/models/llama.py"),
  ignore: read(
    "linears that `ignore` does not name get parameters of quantized ones",
    "layers/quantization/compressed_tensors/compressed_tensors.py; issue 19733",
  ),
  tokenizer: read("tokenizer and processor come from the model's folder unless told", "engine arguments"),
  gguf: read("GGUF is experimental: one file, without a vision part", "docs/features/quantization/gguf.md"),
};

const marlin: MarlinFacts = {
  symmetric: read(
    "TYPE_MAP of GPTQMarlinConfig holds (4, sym) and (8, sym) alone",
    "layers/quantization/gptq_marlin.py at 00161ce",
  ),
  tiles: read(
    "outputs are multiples of 64 and inputs of 128 on each rank (verify_marlin_supports_shape)",
    "layers/quantization/utils/marlin_utils.py at 007d500",
  ),
  groups: read(
    "MARLIN_SUPPORTED_GROUP_SIZES is -1, 32, 64, 128",
    "layers/quantization/utils/marlin_utils.py at 007d500",
  ),
  bits: read(
    "WNA16_SUPPORTED_BITS is 4 and 8",
    "layers/quantization/compressed_tensors/schemes/compressed_tensors_wNa16.py at 02637af",
  ),
  heads: read("heads are divided by the number of ranks", "model_executor/models/llama.py"),
};

export const vllm: Loader = {
  name: "vllm",
  check: (model) => serverProblems(model, methods, facts, marlin),
};
