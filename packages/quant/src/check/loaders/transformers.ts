import type { CheckedModel } from "../checked-model.ts";
import {
  configurationProblems,
  fileProblems,
  ignoreListProblems,
  methodOf,
  methodProblems,
  widthProblems,
} from "../common-problems.ts";
import type { Fact, Loader, Problem } from "../loader.ts";

const methods = [
  ...["awq", "bitsandbytes", "gptq", "aqlm", "quanto", "quark", "fp_quant", "eetq", "higgs", "hqq"],
  ...["compressed-tensors", "fbgemm_fp8", "torchao", "bitnet", "vptq", "spqr", "fp8", "auto-round", "mxfp4"],
];
/** `model_type` of configurations that it makes of GGUF's metadata, of families that are read here. */
const ggufFamilies = ["llama", "qwen2", "qwen3", "gemma2"];

const known = (says: string, source: string): Fact => ({
  says,
  source: `transformers 5.23, ${source}`,
  date: "2026-11",
});
const facts = {
  config: known("weights that config.json promises are looked for under their names", "modeling_utils.py"),
  methods: known("AUTO_QUANTIZER_MAPPING", "quantizers/auto.py"),
  widths: known("sizes are checked to be whole numbers", "configuration_utils.py"),
  ignore: known(
    "linears that `ignore` does not name get parameters of quantized ones",
    "with compressed-tensors 0.20",
  ),
  zeros: known(
    "packed zero points are refused unless `dequantize` is set",
    "tried with compressed-tensors 0.20",
  ),
  heads: known("a head is hidden_size / num_attention_heads features wide", "models/qwen2_vl"),
  tokenizer: known(
    "AutoTokenizer reads tokenizer.json, tokenizer.model or vocab.json",
    "tokenization_utils_base.py",
  ),
  processor: known(
    "AutoProcessor reads processor_config.json or preprocessor_config.json",
    "processing_utils.py",
  ),
  gguf: known("GGUF_CONFIG_MAPPING", "integrations/ggml.py"),
};

export const transformers: Loader = {
  name: "transformers",
  check(model) {
    if (model.isGguf) return ggufProblems(model);
    return [
      ...configurationProblems(model, facts.config),
      ...methodProblems(model, methods, facts.methods),
      ...widthProblems(model, facts.widths),
      ...headProblems(model),
      ...ignoreListProblems(model, facts.ignore),
      ...zeroPointProblems(model),
      ...fileProblems(model, facts),
    ];
  },
};

/** Qwen2-VL's configurations have no `head_dim`, so heads cannot be pruned. */
function headProblems({ description, textConfig }: CheckedModel): Problem[] {
  const { modelType = "", layers = [], hiddenSize = 0 } = description?.languageModel ?? {};
  const attention = layers[0]?.attention;
  if (!/^qwen2(_5)?_vl/.test(modelType) || attention === undefined) return [];
  if (attention.numHeads * attention.headDim === hiddenSize && textConfig.head_dim === undefined) return [];
  return attention.numHeads * attention.headDim === hiddenSize
    ? []
    : [
        {
          certain: true,
          message: `${attention.numHeads} heads of ${attention.headDim} do not make the hidden size ${hiddenSize}`,
          cure: "leave the heads of this family in place",
          fact: facts.heads,
        },
      ];
}

function zeroPointProblems(model: CheckedModel): Problem[] {
  if (methodOf(model) !== "compressed-tensors" || model.quantization?.dequantize === true) return [];
  const hasZeros = [...model.quantized.values()].some(
    ({ format, weight: { layout } }) =>
      format.name === "pack-quantized" && layout.kind === "integers" && layout.zeroPoints,
  );
  if (!hasZeros) return [];
  return [
    {
      certain: true,
      message: "weights have packed zero points, and quantization_config does not say `dequantize`",
      cure: 'say "dequantize": true in quantization_config, or quantize without zero points',
      fact: facts.zeros,
    },
  ];
}

function ggufProblems({ description }: CheckedModel): Problem[] {
  const cure = "vlmopt convert it to safetensors";
  if (description?.visionTower !== undefined) {
    return [{ certain: true, message: "a model that sees is in GGUF files", cure, fact: facts.gguf }];
  }
  const type = description?.languageModel.modelType ?? "unknown";
  if (ggufFamilies.includes(type)) return [];
  return [{ certain: true, message: `GGUF files of ${type} are not read`, cure, fact: facts.gguf }];
}
