import { createHash } from "node:crypto";
import { ConfigError } from "@vlmopt/models";
import { describe, expect, test } from "vitest";
import { readGolden } from "../../test-support/goldens.ts";
import { ImageError } from "../image-error.ts";
import { madeImage } from "../test-support/made-image.ts";
import { imageProcessorFor } from "./image-processor.ts";

interface ProcessorGolden {
  readonly name: string;
  /** preprocessor_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  readonly cases: readonly {
    readonly size: readonly [number, number];
    readonly seed: number;
    readonly shape: readonly number[];
    readonly sha256: string;
    readonly samples: readonly number[];
    readonly grid?: readonly [number, number, number];
    readonly originalSize?: readonly [number, number];
    readonly tiles?: readonly [number, number];
  }[];
}

const goldens = readGolden<ProcessorGolden[]>("images-processors");

describe.each(goldens)("$name", ({ config, cases }) => {
  test.each(cases)("prepares $size as transformers does, to the bit", (golden) => {
    const { pixels, ...rest } = imageProcessorFor(config)(madeImage(...golden.size, golden.seed));
    const { size, seed, shape, sha256, samples, ...restOfGolden } = golden;
    expect(pixels.shape.slice(-shape.length)).toEqual(shape);
    const { data } = pixels;
    const step = Math.floor(data.length / 7);
    expect(samples.map((_, i) => data[i * step])).toEqual(samples);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    expect(rest).toEqual(restOfGolden);
  });
});

const configOf = (name: string) => goldens.find((golden) => golden.name === name)?.config ?? {};

describe("an image processor", () => {
  test("is found by the model where preprocessor_config.json names none", () => {
    const { image_processor_type: _, ...config } = configOf("qwen2-vl");
    const image = madeImage(64, 48, 0);
    const found = imageProcessorFor(config, { model_type: "qwen2_vl" })(image);
    expect(found).toEqual(imageProcessorFor(configOf("qwen2-vl"))(image));
  });

  test("is the same by its fast name, and by its old one", () => {
    const image = madeImage(37, 91, 1);
    const { image_processor_type: _, ...config } = configOf("clip-old");
    const slow = imageProcessorFor({ ...config, image_processor_type: "CLIPImageProcessor" })(image);
    expect(imageProcessorFor({ ...config, image_processor_type: "CLIPImageProcessorFast" })(image)).toEqual(
      slow,
    );
    expect(imageProcessorFor({ ...config, feature_extractor_type: "CLIPFeatureExtractor" })(image)).toEqual(
      slow,
    );
  });

  test("of a class that is not known is refused by name", () => {
    expect(() => imageProcessorFor({ image_processor_type: "SamImageProcessor" })).toThrow(
      'preprocessor_config.json is of "SamImageProcessor"; known are ImageProcessors of CLIP, ',
    );
    expect(() => imageProcessorFor([])).toThrow(ConfigError);
  });

  test.each([
    [{ size: { shortest_edge: -1 } }, "size of preprocessor_config.json is"],
    [{ size: { max_height: 4 } }, "size of preprocessor_config.json needs"],
    [
      { image_mean: [0.5, 0.5] },
      "image_mean of preprocessor_config.json is [0.5,0.5]; it must be three numbers",
    ],
    [{ resample: 9 }, "resample of preprocessor_config.json is 9"],
    [{ do_resize: "yes" }, 'do_resize of preprocessor_config.json is "yes"'],
    [{ crop_size: { height: 3 } }, "crop_size of preprocessor_config.json needs a height and a width"],
  ])("with wrong numbers is refused: %o", (config, message) => {
    const processing = () =>
      imageProcessorFor({ image_processor_type: "CLIPImageProcessor", ...config })(madeImage(4, 4, 0));
    expect(processing).toThrow(ConfigError);
    expect(processing).toThrow(message);
  });

  test("of Qwen-VL refuses pictures 200 times as long as wide", () => {
    const process = imageProcessorFor(configOf("qwen2-vl"));
    expect(() => process(madeImage(402, 2, 0))).toThrow(ImageError);
    expect(() => process(madeImage(402, 2, 0))).toThrow("402 × 2 pixels: one side may be at most 200 times");
  });
});
