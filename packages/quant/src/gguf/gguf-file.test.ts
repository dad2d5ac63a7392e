import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memorySink, memorySource } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { bell } from "../test-support/inputs.ts";
import { type EncodableType, encodeGgml } from "./ggml-type.ts";
import { bool, float32, float32s, int32s, type MetadataValue, text, texts, uint32 } from "./metadata.ts";
import { readGguf, readGgufTensor } from "./read-gguf.ts";
import { type GgufContents, type GgufTensor, writeGguf } from "./write-gguf.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-gguf-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** By the gguf package's own writer: tools/reference/quant_gguf.py. */
const small = new Uint8Array(readFileSync(new URL("../../goldens/gguf-small.gguf", import.meta.url)));

function tensor(name: string, type: EncodableType, shape: number[], weights: Float32Array): GgufTensor {
  return { name, type, shape, bytes: () => [encodeGgml(type, weights)] };
}

/** What `small_file` of the script writes. */
const contents: GgufContents = {
  metadata: new Map<string, MetadataValue>([
    ["general.architecture", text("llama")],
    ["a.uint32", uint32(4_000_000_000)],
    ["a.int32", { type: "int32", value: -5 }],
    ["a.float32", float32(0.1)],
    ["a.bool", bool(true)],
    ["a.string", text("naïve ▁🦙")],
    ["a.uint64", { type: "uint64", value: 2n ** 60n + 1n }],
    ["a.float64", { type: "float64", value: 0.1 }],
    ["an.array.of.strings", texts(["", "▁a", "<0x0A>"])],
    ["an.array.of.int32", int32s([-1, 0, 7])],
    ["an.array.of.float32", float32s([0.5, -1.5])],
  ]),
  tensors: [
    tensor("vector", "F32", [5], bell(5, 6)),
    tensor("matrix.f16", "F16", [3, 64], bell(3 * 64, 5)),
    tensor("matrix.q8_0", "Q8_0", [3, 64], bell(3 * 64, 5)),
    tensor("cube", "F32", [2, 3, 4], bell(2 * 3 * 4, 7)),
  ],
};

async function written(what: GgufContents): Promise<Uint8Array> {
  const sink = memorySink();
  await writeGguf(what, sink);
  return sink.files.get("model.gguf") as Uint8Array;
}

describe("a GGUF file", () => {
  it("has the bytes that the gguf package writes", async () => {
    expect(await written(contents)).toEqual(small);
  });

  it("is read back, every type of value and tensor", async () => {
    const header = await readGguf(memorySource(small));
    expect(header.version).toBe(3);
    expect(header.alignment).toBe(32);
    const float = Math.fround(0.1);
    expect([...header.metadata]).toEqual(
      [...contents.metadata].map(([key, value]) => [key, key === "a.float32" ? float32(float) : value]),
    );
    expect([...header.tensors.values()].map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
      contents.tensors.map(({ name, type, shape }) => ({ name, type, shape })),
    );
    const cube = header.tensors.get("cube");
    if (cube === undefined) throw new Error("no cube");
    expect(await readGgufTensor(memorySource(small), cube)).toEqual(bell(24, 7));
  });

  it("says where it is cut, at every length of its header", async () => {
    const header = await readGguf(memorySource(small));
    const start = Math.min(...[...header.tensors.values()].map(({ offset }) => offset));
    for (let length = 0; length < start; length += 7) {
      await expect(readGguf(memorySource(small.slice(0, length), "cut.gguf"))).rejects.toThrow(
        /^cut\.gguf: /,
      );
    }
    await expect(readGguf(memorySource(small.slice(0, -32), "cut.gguf"))).rejects.toThrow(
      /tensor "cube": bytes \d+ to \d+ lie past the file's/,
    );
  });

  const damages: [what: string, at: number, bytes: number[], message: string][] = [
    ["another magic number", 0, [0x46], "does not begin with GGUF"],
    ["version 1", 4, [1], "is of version 1; versions 2 and 3 are read"],
    ["the other byte order", 4, [0, 0, 0, 3], "which looks big-endian"],
    ["more tensors than bytes", 8, [0xff, 0xff, 0xff, 0xff], "claims 4294967295 tensors"],
    ["numbers past 2^53", 8, [0, 0, 0, 0, 0, 0, 0, 0xff], "which no file can hold"],
    ["a key longer than the file", 24, [0xff, 0xff, 0xff], "within its header"],
    ["a text that is not UTF-8", 32, [0xff], "that is not UTF-8"],
    ["a value of an unknown type", 52, [13], "has a value of an unknown type"],
  ];
  it.each(damages)("with %s is refused", async (_, at, bytes, message) => {
    const damaged = small.slice();
    damaged.set(bytes, at);
    await expect(readGguf(memorySource(damaged))).rejects.toThrow(message);
  });

  it("cannot hold names, shapes and rows that the format has no room for", async () => {
    const weights = new Float32Array(64);
    const refused = async (tensors: GgufTensor[], message: string) =>
      expect(written({ metadata: new Map(), tensors })).rejects.toThrow(message);
    const plain = (name: string, shape: number[]) => tensor(name, "F32", shape, weights);
    await refused([plain("a", [64]), plain("a", [64])], "two tensors are named a");
    await refused([plain("n".repeat(64), [64])], "at most 63 bytes");
    await refused([plain("a", [2, 2, 2, 2, 4])], "has 5 dimensions");
    await refused([tensor("a", "Q4_0", [4, 16], weights)], "rows of 16 do not fill blocks of 32");
    await refused([plain("a", [63])], "takes 252 bytes, and more were given");
    await refused([plain("a", [65])], "takes 260 bytes, and 256 were given");
  });

  it("appears complete or not at all, and replaces nothing", async () => {
    const path = join(folder, "model.gguf");
    const failing: GgufTensor = {
      name: "bad",
      type: "F32",
      shape: [2],
      async *bytes() {
        yield new Uint8Array(4);
        throw new Error("the source went away");
      },
    };
    await expect(writeGguf({ metadata: new Map(), tensors: [failing] }, path)).rejects.toThrow("went away");
    expect(readdirSync(folder)).toEqual([]);
    expect(await writeGguf(contents, path)).toEqual({ size: small.length });
    expect(new Uint8Array(readFileSync(path))).toEqual(small);
    await expect(writeGguf(contents, path)).rejects.toThrow("is already there");
    // The record by which a later run knows its own file.
    expect(readdirSync(folder).sort()).toEqual([".model.gguf.vlmopt.json", "model.gguf"]);
  });
});
