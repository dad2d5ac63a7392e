import { type ConfigReader, readConfig } from "../config-reader.ts";
import { ConfigError, type TensorSpecs } from "../description.ts";
import { assertNoFurtherLayers, stacksOf } from "../layer-count.ts";
import { clip, clipLayers, describeVisionTower } from "../vision-tower.ts";
import { type WeightScope, weightList } from "../weight-list.ts";
import { clipTower } from "./image-encoders/clip-tower.ts";
import { pixelInput, rowInput, rowTensor } from "./image-encoders/image-encoder.ts";
import { type ForwardPass, forwardPass, type HostTensor, type Ops } from "./ops.ts";
import { causalBias, paddedTexts } from "./padded-texts.ts";
import { towerStates, type VisionSettings, visionLayer } from "./vision-transformer.ts";

/** CLIP's two towers, which put texts and pictures into one space. */
export interface ClipForward {
  /** Size of the vectors of both. */
  readonly features: number;
  /** Tokens that a text has at most. */
  readonly maxTokens: number;
  /** From texts to `features` `[1, texts, features]`, of any length. */
  readonly text: ForwardPass;
  /** Texts as tokens, with those that begin and end every text. */
  textInputsOf(texts: readonly ArrayLike<number>[]): Readonly<Record<string, HostTensor>>;
  /** From pictures to `features` `[1, pictures, features]`, of any length. */
  readonly vision: ForwardPass;
  /** From hidden states of patches `[1, patches, hiddenSize]`, of any layer, to `features` `[1, patches, features]` (CDPruner, arXiv:2506.10967). */
  readonly patches: ForwardPass;
  /** Size of those states. */
  readonly visionSize: number;
  /** @param pixels `[pictures, 3, size, size]` */
  visionInputsOf(pixels: HostTensor): Readonly<Record<string, HostTensor>>;
}

/**
 * CLIP (arXiv:2103.00020) with the projections of both towers.
 * @param config the contents of config.json
 * @throws {ConfigError} for another model type
 */
export function clipForward(config: unknown, tensors: TensorSpecs): ClipForward {
  const reader = readConfig(config);
  const modelType = reader.text("model_type");
  if (modelType !== "clip") throw new ConfigError(`model_type "${modelType}" is no clip`);
  const list = weightList(tensors);
  const text = reader.child("text_config");
  const features = tensors.get("text_projection.weight")?.shape[0] ?? reader.size("projection_dim", 512);
  const endToken = text.number("eos_token_id", 49407);
  const passes = {
    text: textPass(text, list.component("languageModel", ["text_model."], "final_layer_norm.weight")),
    ...visionPart(
      reader.child("vision_config"),
      list.component("visionTower", ["vision_model."], "post_layernorm.weight"),
    ),
  };
  for (const [stack, count] of stacksOf(list.weights.map(({ name }) => name)))
    assertNoFurtherLayers(tensors, modelType, stack, count);
  return {
    ...passes,
    features,
    maxTokens: text.size("max_position_embeddings", 77),
    textInputsOf(texts) {
      const { ids, positions } = paddedTexts(texts, 0);
      const longest = ids.shape[1] as number;
      const ends = texts.map((tokens, n) => n * longest + endOf(tokens, endToken));
      return { ids, positions, visible: causalBias(longest), ends: rowTensor(ends) };
    },
  };
}

/** The first end token. Configurations of OpenAI's day name a wrong one, 2, and mean the highest token there is. */
function endOf(tokens: ArrayLike<number>, endToken: number): number {
  const all = Array.from(tokens);
  return Math.max(0, all.indexOf(endToken === 2 ? Math.max(...all) : endToken));
}

function textPass(text: ConfigReader, scope: WeightScope): ForwardPass {
  const hiddenSize = text.size("hidden_size", 512);
  const numHeads = text.size("num_attention_heads", 8);
  const sizes = { hiddenSize, intermediateSize: text.size("intermediate_size", 2048), numHeads };
  const layers = clipLayers(scope, text.size("num_hidden_layers", 12), sizes);
  const settings: VisionSettings = clipTower(text);
  const tokens = { dtype: "I32", shape: [undefined, undefined] } as const;
  const visible = { dtype: "F32", shape: [1, 1, undefined, undefined] } as const;
  const prefix = "text_model.";
  return forwardPass({ ids: tokens, positions: tokens, visible, ends: rowInput }, (ops, inputs) => {
    const rows = (of: typeof inputs.ids, table: string) =>
      ops.embed(of, `${prefix}embeddings.${table}_embedding.weight`);
    let x = ops.add(rows(inputs.ids, "token"), rows(inputs.positions, "position"));
    for (const layer of layers) x = visionLayer(ops, x, layer, prefix, settings, { bias: inputs.visible });
    const norm = `${prefix}final_layer_norm`;
    const ended = ops.layerNorm(ops.takeRows(x, inputs.ends), settings.eps, `${norm}.weight`, `${norm}.bias`);
    return { features: ops.linear(ended, "text_projection.weight") };
  });
}

function visionPart(
  vision: ConfigReader,
  scope: WeightScope,
): Pick<ClipForward, "vision" | "patches" | "visionSize" | "visionInputsOf"> {
  const tower = describeVisionTower(scope, vision, clip);
  const settings = clipTower(vision);
  const tokens = Math.floor(settings.imageSize / settings.patchSize) ** 2 + 1;
  const prefix = "vision_model.";
  const inputs = { pixels: pixelInput(settings.imageSize), first: rowInput };
  const { hiddenSize } = tower;
  const projected = <T>(ops: Ops<T>, states: T) => {
    const norm = `${prefix}post_layernorm`;
    const normed = ops.layerNorm(states, settings.eps, `${norm}.weight`, `${norm}.bias`);
    return { features: ops.linear(normed, "visual_projection.weight") };
  };
  return {
    visionSize: hiddenSize,
    patches: forwardPass({ states: { dtype: "F32", shape: [1, undefined, hiddenSize] } }, (ops, { states }) =>
      projected(ops, states),
    ),
    vision: forwardPass(inputs, (ops, { pixels, first }) => {
      const states = towerStates(ops, tower, prefix, settings, pixels, tower.layers.length);
      return projected(ops, ops.takeRows(states.at(-1) as typeof pixels, first));
    }),
    visionInputsOf: (pixels) => ({
      pixels,
      first: rowTensor(Array.from({ length: pixels.shape[0] as number }, (_, n) => n * tokens)),
    }),
  };
}
