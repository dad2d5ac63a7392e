import { clipForward } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { concatenated } from "../executors/concatenated.ts";
import type { DeviceTensor, Executor, PreparedPass } from "../executors/executor.ts";
import { areSound, brokenLogits } from "../generate/broken-logits.ts";
import { type DecodeImage, type ImageInput, pixelsOf } from "../images/image-input.ts";
import { loadImageProcessor } from "../images/load-image-processor.ts";
import { towerRules } from "../option-rules.ts";
import { loadFrom, type Platform } from "../platform.ts";
import { readConfig } from "../read-json.ts";
import { shortened } from "../text/shortened.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { modelWeights } from "../weights/model-weights.ts";

export interface ClipEmbedderOptions {
  /** What to call it; the checkpoint's location unless told. */
  readonly name?: string;
  readonly executor?: Executor;
}

/** Puts pictures and texts into one space: what CLIPScore of @vlmopt/metrics asks for. Vectors are of any length. */
export interface ClipEmbedder {
  readonly name: string;
  /** @throws {ImageError} where a picture cannot be read */
  encodeImages(images: readonly ImageInput[]): Promise<readonly Float32Array[]>;
  /** Texts that are too long lose their end, as in the authors' code where it is told to truncate. */
  encodeTexts(texts: readonly string[]): Promise<readonly Float32Array[]>;
  release(): Promise<void>;
}

/** Pictures or texts that are run at once: more only cost memory. */
const BATCH = 16;

/** A CLIP with its tokenizer and its image processor. */
export async function embedderFrom(
  platform: Platform,
  location: string | Checkpoint,
  options: ClipEmbedderOptions = {},
): Promise<ClipEmbedder> {
  checkOptions("clipEmbedder", options, towerRules);
  return loadFrom(platform, location, async (checkpoint) =>
    embedderOf(checkpoint, options.executor ?? (await platform.executor()), platform.decodeImage, options),
  );
}

async function embedderOf(
  checkpoint: Checkpoint,
  executor: Executor,
  decodeImage: DecodeImage,
  { name }: ClipEmbedderOptions,
): Promise<ClipEmbedder> {
  const config = await readConfig(checkpoint);
  const weights = await modelWeights(checkpoint);
  const clip = clipForward(config, weights.specs);
  const tokenizer = await loadTokenizer(checkpoint);
  const processor = await loadImageProcessor(checkpoint, config);
  // Each tower is prepared when it is first needed: references alone need no pictures.
  let [text, vision]: (Promise<PreparedPass> | undefined)[] = [];

  function tokensOf(written: string): number[] {
    return shortened(tokenizer.encode(written), clip.maxTokens);
  }
  return {
    name: name ?? checkpoint.location,
    async encodeImages(images) {
      vision ??= executor.prepare(clip.vision, weights);
      return inBatches(checkpoint, images, await vision, async (batch) => {
        const prepared = await Promise.all(
          batch.map(async (image) => processor(await pixelsOf(image, decodeImage)).pixels),
        );
        const data = concatenated(prepared.map((pixels) => pixels.data as Float32Array));
        const size = prepared[0]?.shape.slice(-3) ?? [];
        return clip.visionInputsOf({ shape: [batch.length, ...size], data });
      });
    },
    async encodeTexts(texts) {
      text ??= executor.prepare(clip.text, weights);
      return inBatches(checkpoint, texts, await text, async (batch) =>
        clip.textInputsOf(batch.map(tokensOf)),
      );
    },
    async release() {
      await (await text)?.release();
      await (await vision)?.release();
    },
  };
}

async function inBatches<Item>(
  checkpoint: Checkpoint,
  items: readonly Item[],
  pass: PreparedPass,
  inputsOf: (batch: readonly Item[]) => Promise<Parameters<PreparedPass["run"]>[0]>,
): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (let first = 0; first < items.length; first += BATCH) {
    const batch = items.slice(first, first + BATCH);
    const { features } = await pass.run(await inputsOf(batch));
    const all = await (features as DeviceTensor).read();
    features?.release?.();
    if (!areSound(all)) throw await brokenLogits(checkpoint, "the batch", "vectors");
    const size = all.length / batch.length;
    for (let n = 0; n < batch.length; n++) vectors.push(all.slice(n * size, (n + 1) * size));
  }
  return vectors;
}
