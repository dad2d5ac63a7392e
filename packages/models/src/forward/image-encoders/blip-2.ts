import type { ConfigReader } from "../../config-reader.ts";
import type { ModelDescription, VisionTower } from "../../description.ts";
import { activationOf } from "../activation.ts";
import { forwardPass, type Ops } from "../ops.ts";
import { towerOutput } from "../vision-transformer.ts";
import { evaTower } from "./clip-tower.ts";
import { type ImageEncoder, pixelInput } from "./image-encoder.ts";

/** BLIP-2 (arXiv:2301.12597): a Q-Former's queries look at ViT-g's patches; its answers go through one linear. */
export function blip2ImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const tower = description.visionTower as VisionTower;
  const settings = evaTower(config.child("vision_config"));
  const { visionTower: towerPrefix = "", qFormer = "", projector = "" } = description.prefixes;
  const former = qFormerSettings(config);
  return {
    deep: 0,
    pass: forwardPass({ pixels: pixelInput(settings.imageSize) }, (ops, { pixels }) => {
      const patches = towerOutput(ops, tower, towerPrefix, settings, pixels);
      const queries = ops.repeat(ops.weight(`${qFormer}query_tokens`, former.queryShape), patches);
      const answers = askQFormer(ops, queries, patches, `${qFormer}qformer.`, former);
      const name = `${projector}language_projection`;
      return { features: ops.linear(answers, `${name}.weight`, `${name}.bias`) };
    }),
    inputsOf: ({ pixels }) => ({ pixels }),
  };
}

function qFormerSettings(config: ConfigReader) {
  const former = config.child("qformer_config");
  return {
    queryShape: [config.size("num_query_tokens", 32), former.size("hidden_size", 768)],
    layers: former.size("num_hidden_layers", 12),
    heads: former.size("num_attention_heads", 12),
    crossEvery: former.size("cross_attention_frequency", 2),
    activation: activationOf(former, "hidden_act", "gelu"),
    eps: former.number("layer_norm_eps", 1e-12),
  };
}

/** BERT's layers with attention to the patches in every second: norms come after what they follow. */
function askQFormer<T>(
  ops: Ops<T>,
  queries: T,
  patches: T,
  prefix: string,
  { layers, heads, crossEvery, activation, eps }: ReturnType<typeof qFormerSettings>,
): T {
  const linear = (x: T, name: string) => ops.linear(x, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  const norm = (x: T, name: string) =>
    ops.layerNorm(x, eps, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  const attend = (x: T, source: T, at: string) => {
    const q = linear(x, `${at}.attention.query`);
    const k = linear(source, `${at}.attention.key`);
    const v = linear(source, `${at}.attention.value`);
    const attended = linear(ops.attention(q, k, v, { heads, kvHeads: heads }), `${at}.output.dense`);
    return norm(ops.add(attended, x), `${at}.output.LayerNorm`);
  };
  let x = norm(queries, "layernorm");
  for (let index = 0; index < layers; index++) {
    const at = `encoder.layer.${index}`;
    x = attend(x, x, `${at}.attention`);
    if (index % crossEvery === 0) x = attend(x, patches, `${at}.crossattention`);
    const hidden = ops.activate(linear(x, `${at}.intermediate_query.dense`), activation);
    x = norm(ops.add(linear(hidden, `${at}.output_query.dense`), x), `${at}.output_query.LayerNorm`);
  }
  return x;
}
