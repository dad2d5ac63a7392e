import { methodOf } from "../common-problems.ts";
import type { Fact, Loader, Problem } from "../loader.ts";
import type { MarlinFacts } from "../marlin.ts";
import { serverProblems } from "../server-problems.ts";

const methods = [
  ...["compressed-tensors", "gptq", "awq", "fp8", "modelopt", "modelopt_fp8", "modelopt_fp4", "gguf"],
  ...["fbgemm_fp8", "quark", "w4afp8", "mxfp4", "bitsandbytes"],
];
const read = (says: string, source: string): Fact => ({ says, source: `SGLang, ${source}`, date: "2026-11" });

const facts = {
  methods: read(
    "BASE_QUANTIZATION_METHODS and, where vLLM is installed, VLLM_QUANTIZATION_METHODS",
    "srt/layers/quantization/__init__.py at 0116a68",
  ),
  config: read(
    "layers are built from config.json, and weights are looked for under their names",
    "srt/model_loader",
  ),
  widths: read("one intermediate_size makes every layer", "srt/models/llama.py"),
  ignore: read(
    "linears that `ignore` does not name get parameters of quantized ones",
    "srt/layers/quantization/compressed_tensors; issue 12829",
  ),
  tokenizer: read("tokenizer and processor come from the model's folder unless told", "server arguments"),
  gguf: read("GGUF is one file of a text model", "srt/layers/quantization/gguf.py"),
};

const marlin: MarlinFacts = {
  symmetric: read(
    "TYPE_MAP of GPTQMarlinConfig holds (4, sym) and (8, sym) alone",
    "srt/layers/quantization/gptq.py",
  ),
  tiles: read(
    "as vLLM's: outputs multiples of 64, inputs of 128 on each rank",
    "srt/layers/quantization/marlin_utils.py",
  ),
  groups: read("as vLLM's: -1, 32, 64, 128", "srt/layers/quantization/marlin_utils.py"),
  bits: read("as vLLM's: 4 and 8", "srt/layers/quantization/compressed_tensors"),
  heads: read("heads are divided by the number of ranks", "srt/models/llama.py"),
};

export const sglang: Loader = {
  name: "sglang",
  check(model) {
    const needsVllm: Problem[] =
      methodOf(model) === "bitsandbytes"
        ? [
            {
              certain: false,
              message: "bitsandbytes' weights are read only where vLLM is installed, too",
              cure: "install vLLM beside it, or quantize to int4-g128",
              fact: facts.methods,
            },
          ]
        : [];
    return serverProblems(model, methods, facts, marlin, needsVllm);
  },
};
