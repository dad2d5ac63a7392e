import { writtenTypes } from "../../gguf/text-families.ts";
import { methodOf } from "../common-problems.ts";
import type { Fact, Loader } from "../loader.ts";

const read = (says: string, source: string): Fact => ({
  says,
  source: `llama.cpp, ${source}`,
  date: "2026-11",
});
const facts = {
  files: read("models are GGUF files", "src/llama-model-loader.cpp"),
  tokenizer: read("a file without a tokenizer (no_vocab) cannot read texts", "src/llama-vocab.cpp"),
};
export const llamaCpp: Loader = {
  name: "llama.cpp",
  check(model) {
    if (!model.isGguf) {
      const type = model.description?.languageModel.modelType ?? "";
      const isPlain = methodOf(model) === undefined;
      const cure = writtenTypes.includes(type)
        ? `${isPlain ? "" : "take the plain model and "}vlmopt quantize it with --scheme gguf-q4_k`
        : "convert the plain model with llama.cpp's convert_hf_to_gguf.py";
      return [{ certain: true, message: "the model is in safetensors, not GGUF", cure, fact: facts.files }];
    }
    if (model.has("tokenizer.json")) return [];
    return [
      {
        certain: true,
        message: "the file holds no tokenizer",
        cure: "write it again with the model's tokenizer beside the weights",
        fact: facts.tokenizer,
      },
    ];
  },
};
