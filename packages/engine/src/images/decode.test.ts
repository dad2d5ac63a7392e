import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readGolden } from "../test-support/goldens.ts";
import { decodeImage } from "./decode.ts";
import { ImageError } from "./image-error.ts";

interface DecodeGolden {
  readonly name: string;
  readonly file: string;
  readonly size: readonly [number, number];
  readonly rgb: string;
}

const goldens = readGolden<DecodeGolden[]>("images-decode");
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

test.each(goldens)("$name decodes to Pillow's pixels", async ({ file, size, rgb }) => {
  const image = await decodeImage(bytesOf(file));
  expect([image.width, image.height]).toEqual(size);
  const wanted = inflateSync(bytesOf(rgb));
  const differences = image.data.map((level, i) => Math.abs(level - (wanted[i] as number)));
  expect(Math.max(...differences)).toBe(0);
});

test("a path and a blob give what their bytes give", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-images-"));
  const path = join(folder, "cat.jpg");
  const bytes = bytesOf(goldens.find(({ name }) => name === "orientation-6.jpg")?.file ?? "");
  await writeFile(path, bytes);
  expect(await decodeImage(path)).toEqual(await decodeImage(bytes));
  expect(await decodeImage(new Blob([bytes]))).toEqual(await decodeImage(bytes));
  await rm(folder, { recursive: true });
});

describe("a picture that cannot be used is an error that says why:", () => {
  const jpeg = bytesOf(goldens.find(({ name }) => name === "rgb.jpg")?.file ?? "");
  const failure = async (source: Uint8Array | string, maxPixels?: number) => {
    const error = await decodeImage(source, maxPixels === undefined ? {} : { maxPixels }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(ImageError);
    return error as ImageError;
  };

  test("no picture at all", async () => {
    const error = await failure(new TextEncoder().encode("not a picture"));
    expect(error.code).toBe("unreadable");
    expect(error.message).toContain("its 13 bytes");
  });

  test("nothing", async () => {
    expect((await failure(new Uint8Array())).message).toContain("its 0 bytes");
  });

  test("cut off in the middle", async () => {
    expect((await failure(jpeg.subarray(0, jpeg.length - 200))).code).toBe("unreadable");
  });

  test("no such file", async () => {
    const error = await failure("/no/such/cat.jpg");
    expect(error).toMatchObject({ code: "missing", file: "/no/such/cat.jpg" });
    expect(error.message).toMatch(/^\/no\/such\/cat\.jpg: /);
  });

  test("more pixels than allowed", async () => {
    const error = await failure(jpeg, 390);
    expect(error).toMatchObject({ code: "too-large", pixels: 391, limit: 390 });
    expect(error.message).toContain("23 × 17 = 391 pixels; at most 390");
  });
});
