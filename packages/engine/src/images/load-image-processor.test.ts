import { describe, expect, test } from "vitest";
import { loadImageProcessor } from "./load-image-processor.ts";
import { madeImage } from "./test-support/made-image.ts";

function checkpointOf(files: Readonly<Record<string, string>>) {
  return {
    location: "cats",
    readSibling: async (name: string) => {
      const text = files[name];
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
  };
}

const clipOf = (size: number) => ({ image_processor_type: "CLIPImageProcessor", size, crop_size: size });
const tileOf = async (files: Record<string, string>, modelConfig: unknown = {}) => {
  const process = await loadImageProcessor(checkpointOf(files), modelConfig);
  return process(madeImage(40, 30, 0)).pixels.shape;
};

describe("the image processor of a checkpoint", () => {
  test("comes from preprocessor_config.json", async () => {
    const files = { "preprocessor_config.json": JSON.stringify(clipOf(8)), "processor_config.json": "{}" };
    expect(await tileOf(files)).toEqual([1, 3, 8, 8]);
  });

  test("comes from within processor_config.json where both have it", async () => {
    const files = {
      "preprocessor_config.json": JSON.stringify(clipOf(8)),
      "processor_config.json": JSON.stringify({ image_processor: clipOf(12), num_query_tokens: 32 }),
    };
    expect(await tileOf(files)).toEqual([1, 3, 12, 12]);
  });

  test("is the model's where the file names none", async () => {
    const files = { "preprocessor_config.json": '{"size": {"height": 6, "width": 4}}' };
    expect(await tileOf(files, { model_type: "paligemma" })).toEqual([1, 3, 6, 4]);
  });

  test("that is missing or broken is an error that says so", async () => {
    await expect(tileOf({})).rejects.toThrow("there is no preprocessor_config.json in cats");
    await expect(tileOf({ "preprocessor_config.json": "{" })).rejects.toThrow(
      "preprocessor_config.json of cats is no JSON",
    );
  });
});
