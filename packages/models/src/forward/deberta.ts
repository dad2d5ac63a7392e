import { type ConfigReader, readConfig } from "../config-reader.ts";
import { ConfigError, type TensorSpecs } from "../description.ts";
import { assertNoFurtherLayers } from "../layer-count.ts";
import { activationOf } from "./activation.ts";
import {
  type Convolution,
  convolutionInputs,
  convolutionOf,
  convolutionRows,
  convolve,
} from "./deberta-convolution.ts";
import { type Distances, distancesOf } from "./deberta-distances.ts";
import { type Activation, forwardPass, type InputSpec, type Ops } from "./ops.ts";
import { assertLayer, paddedTexts } from "./padded-texts.ts";
import type { TextEncoder } from "./text-encoder.ts";

/** What sets one DeBERTa apart from another. */
interface DebertaSettings {
  readonly prefix: string;
  readonly second: boolean;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly scale: number;
  readonly activation: Activation;
  readonly eps: number;
  /** Whether queries look at distances (content to position), and keys do (position to content). */
  readonly toPosition: boolean;
  readonly toContent: boolean;
  readonly distances: Distances;
  readonly positions: boolean;
  readonly types: boolean;
  readonly projects: boolean;
  /** v2: distances go through the same projections as tokens. */
  readonly sharesProjections: boolean;
  /** v2: vectors of distances are normed. */
  readonly normsDistances: boolean;
  /** v2: neighbours' embeddings join what the first layer gives. */
  readonly convolution: Convolution | undefined;
}

/**
 * DeBERTa (arXiv:2006.03654) and DeBERTa-v2, which v3 is too.
 * @throws {ConfigError} for v1's talking heads and v2's convolution in groups
 */
export function debertaEncoder(config: unknown, modelType: string, tensors: TensorSpecs): TextEncoder {
  const reader = readConfig(config);
  const layers = reader.size("num_hidden_layers", modelType === "deberta" ? 12 : 24);
  const hiddenSize = reader.size("hidden_size", modelType === "deberta" ? 768 : 1536);
  const settings = settingsOf(reader, config, modelType, hiddenSize, tensors);
  assertNoFurtherLayers(tensors, modelType, `${settings.prefix}encoder.layer.`, layers);
  const padToken = reader.numberOrNull("pad_token_id", 0) ?? 0;
  return {
    modelType,
    layers,
    hiddenSize,
    maxTokens: reader.size("max_position_embeddings", 512),
    pass(layer) {
      assertLayer(layer, layers);
      const tokens = { dtype: "I32", shape: [undefined, undefined] } as const;
      const visible = { dtype: "F32", shape: [undefined, 1, undefined, undefined] } as const;
      const inputs: Record<string, InputSpec> = {
        ids: tokens,
        positions: tokens,
        types: tokens,
        visible,
        distances: tokens,
        rows: tokens,
        ...(settings.convolution && convolutionInputs(hiddenSize)),
      };
      return forwardPass(inputs, <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
        hidden: encode(ops, settings, layer, given as DebertaInputs<T>),
      }));
    },
    inputsOf(texts) {
      const padded = paddedTexts(texts, padToken);
      return {
        ...padded,
        ...distancesOf(settings.distances, padded.ids.shape[1] as number),
        ...(settings.convolution && convolutionRows(texts, settings.convolution, hiddenSize)),
      };
    },
  };
}

function settingsOf(
  reader: ConfigReader,
  config: unknown,
  modelType: string,
  hiddenSize: number,
  tensors: TensorSpecs,
): DebertaSettings {
  const second = modelType === "deberta-v2";
  if (reader.flag("talking_head", false))
    throw new ConfigError("talking_head of config.json asks for talking heads, which are not known here");
  const prefix = ["", "deberta."].find((start) => tensors.has(`${start}embeddings.word_embeddings.weight`));
  if (prefix === undefined)
    throw new ConfigError(`there are no embeddings of a ${modelType} among the weights`);
  const heads = reader.size("num_attention_heads", second ? 24 : 12);
  const relative = reader.flag("relative_attention", false);
  const terms = termsOf((config as { readonly pos_att_type?: unknown }).pos_att_type);
  const farthest = Math.trunc(reader.number("max_relative_positions", -1));
  const reach = farthest < 1 ? reader.size("max_position_embeddings", 512) : farthest;
  const buckets = second ? Math.max(0, reader.number("position_buckets", -1)) : 0;
  const counted = second ? terms.filter((term) => term === "c2p" || term === "p2c").length : terms.length;
  return {
    prefix,
    second,
    hiddenSize,
    heads,
    scale: ((hiddenSize / heads) * (1 + counted)) ** -0.5,
    activation: activationOf(reader, "hidden_act", "gelu"),
    eps: reader.number("layer_norm_eps", 1e-7),
    toPosition: relative && terms.includes("c2p"),
    toContent: relative && terms.includes("p2c"),
    distances: { span: buckets > 0 ? buckets : reach, buckets, farthest: reach },
    positions: reader.flag("position_biased_input", true),
    types: reader.number("type_vocab_size", 0) > 0,
    projects: reader.size("embedding_size", hiddenSize) !== hiddenSize,
    sharesProjections: second && reader.flag("share_att_key", false),
    normsDistances: second && reader.text("norm_rel_ebd", "none").toLowerCase().includes("layer_norm"),
    convolution: second ? convolutionOf(reader) : undefined,
  };
}

/** A list, or in older files one text: `c2p|p2c`. */
function termsOf(value: unknown): string[] {
  return [value ?? []].flat().flatMap((term) => String(term).toLowerCase().split("|"));
}

type DebertaInputs<T> = Readonly<
  Record<"ids" | "positions" | "types" | "visible" | "distances" | "rows", T> &
    Partial<Record<"neighbours" | "places" | "nothing", T>>
>;

function encode<T>(ops: Ops<T>, settings: DebertaSettings, layers: number, inputs: DebertaInputs<T>): T {
  const { prefix, heads, scale } = settings;
  const linear = (x: T, name: string, bias = true) =>
    ops.linear(x, `${prefix}${name}.weight`, bias ? `${prefix}${name}.bias` : undefined);
  const norm = (x: T, name: string) =>
    ops.layerNorm(x, settings.eps, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  let x = embed(ops, settings, inputs);
  if (settings.projects) x = linear(x, "embeddings.embed_proj", false);
  x = norm(x, "embeddings.LayerNorm");
  const embedded = x;
  const isRelative = settings.toPosition || settings.toContent;
  const table = isRelative && layers > 0 ? distanceVectors(ops, settings, inputs.distances) : undefined;
  for (let index = 0; index < layers; index++) {
    const at = `encoder.layer.${index}.`;
    const [q, k, v] = queriesKeysValues(ops, settings, x, `${prefix}${at}attention.self.`);
    let bias = inputs.visible;
    if (table !== undefined) {
      const [keyName, queryName] = distanceProjections(settings);
      const relative = {
        keys: settings.toPosition
          ? linear(table, `${at}attention.self.${keyName}`, settings.second)
          : undefined,
        queries: settings.toContent ? linear(table, `${at}attention.self.${queryName}`) : undefined,
        rows: inputs.rows,
      };
      bias = ops.relativeScores(q, k, relative, { heads, scale }, inputs.visible);
    }
    const attended = ops.attention(q, k, v, { heads, kvHeads: heads, scale }, bias);
    x = norm(ops.add(linear(attended, `${at}attention.output.dense`), x), `${at}attention.output.LayerNorm`);
    const hidden = ops.activate(linear(x, `${at}intermediate.dense`), settings.activation);
    x = norm(ops.add(linear(hidden, `${at}output.dense`), x), `${at}output.LayerNorm`);
    const { neighbours, places, nothing } = inputs;
    if (index > 0 || neighbours === undefined || places === undefined || nothing === undefined) continue;
    const rows = { neighbours, places, nothing };
    x = norm(convolve(ops, settings, x, embedded, rows), "encoder.conv.LayerNorm");
  }
  return x;
}

function embed<T>(
  ops: Ops<T>,
  { prefix, positions, types }: DebertaSettings,
  inputs: Readonly<Record<"ids" | "positions" | "types", T>>,
): T {
  const rows = (of: T, table: string) => ops.embed(of, `${prefix}embeddings.${table}_embeddings.weight`);
  let x = rows(inputs.ids, "word");
  if (positions) x = ops.add(x, rows(inputs.positions, "position"));
  if (types) x = ops.add(x, rows(inputs.types, "token_type"));
  return x;
}

function distanceVectors<T>(ops: Ops<T>, { prefix, normsDistances, eps }: DebertaSettings, distances: T): T {
  const vectors = ops.embed(distances, `${prefix}encoder.rel_embeddings.weight`);
  if (!normsDistances) return vectors;
  return ops.layerNorm(vectors, eps, `${prefix}encoder.LayerNorm.weight`, `${prefix}encoder.LayerNorm.bias`);
}

function distanceProjections({ second, sharesProjections }: DebertaSettings): [string, string] {
  if (!second) return ["pos_proj", "pos_q_proj"];
  return sharesProjections ? ["key_proj", "query_proj"] : ["pos_key_proj", "pos_query_proj"];
}

/** v1 has them in one matrix, head by head, and biases of queries and values alone. */
function queriesKeysValues<T>(
  ops: Ops<T>,
  { second, heads, hiddenSize }: DebertaSettings,
  x: T,
  at: string,
): readonly [T, T, T] {
  if (second) {
    const part = (name: string) => ops.linear(x, `${at}${name}_proj.weight`, `${at}${name}_proj.bias`);
    return [part("query"), part("key"), part("value")];
  }
  const parts = ops.split(ops.linear(x, `${at}in_proj.weight`), 3 * heads);
  const everyThird = (first: number) => ops.join(parts.filter((_, i) => i % 3 === first));
  const withBias = (part: T, name: string) => ops.add(part, ops.weight(`${at}${name}`, [hiddenSize]));
  return [withBias(everyThird(0), "q_bias"), everyThird(1), withBias(everyThird(2), "v_bias")];
}
