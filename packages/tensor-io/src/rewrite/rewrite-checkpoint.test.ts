import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  byteLengthOf,
  type Checkpoint,
  compose,
  type Dtype,
  drop,
  fromFloat32,
  memorySink,
  memorySource,
  openCheckpoint,
  openSources,
  type RewriteOptions,
  readTensor,
  rename,
  replace,
  rewriteCheckpoint,
  select,
  type TensorEdit,
  type TensorLiteral,
  type TensorSpec,
  type Transform,
  tensorNamed,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { patternedBytes, temporaryFolder } from "../test-support/build-file.ts";

function literal(name: string, dtype: Dtype, shape: number[], seed = name.length): TensorLiteral {
  return { name, dtype, shape, bytes: patternedBytes(byteLengthOf(dtype, shape), seed) };
}

/** Opens tensors as a checkpoint in memory. */
async function inMemory(tensors: readonly TensorLiteral[]): Promise<Checkpoint> {
  const sink = memorySink();
  await writeCheckpoint(tensors, sink);
  return openSources([...sink.files].map(([name, bytes]) => memorySource(bytes, name)));
}

/** Rewrites in memory and opens the result. */
async function rewritten(
  source: Checkpoint,
  transform: Transform | undefined,
  options?: RewriteOptions,
): Promise<Checkpoint> {
  const sink = memorySink();
  await rewriteCheckpoint(source, transform, sink, options);
  const weights = [...sink.files].filter(([name]) => name.endsWith(".safetensors"));
  return openSources(weights.map(([name, bytes]) => memorySource(bytes, name)));
}

async function folderHash(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    hash.update(`${name}\n`);
    hash.update(await readFile(join(folder, name)).catch(() => ""));
  }
  return hash.digest("hex");
}

const tensors = [
  literal("model.layers.10.weight", "BF16", [30, 40]),
  literal("model.layers.2.weight", "BF16", [30, 40]),
  literal("model.norm", "F32", [40]),
  literal("mask", "BOOL", [7]),
  literal("scale", "F64", []),
];

describe("rewriting", () => {
  it("without a transform keeps every tensor", async () => {
    const result = await rewritten(await inMemory(tensors), undefined);
    expect([...result.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    for (const { name, dtype, shape, bytes } of tensors) {
      expect(tensorNamed(result, name)).toMatchObject({ dtype, shape });
      expect(await readTensor(result, name)).toEqual(bytes);
    }
  });

  it("fills shards in the order of layers, whatever shards they came from, and writes the index", async () => {
    const folder = await temporaryFolder();
    await writeCheckpoint(tensors, join(folder, "a"), {
      shardSize: 2500,
      metadata: { format: "pt", by: "test" },
    });
    await using source = await openCheckpoint(join(folder, "a"));
    await rewriteCheckpoint(source, undefined, join(folder, "b"), { shardSize: 2600 });
    expect(await readdir(join(folder, "b"))).toEqual([
      ".vlmopt.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]);
    expect(JSON.parse(await readFile(join(folder, "b", "model.safetensors.index.json"), "utf8"))).toEqual({
      metadata: { total_size: 2400 + 2400 + 160 + 7 + 8 },
      weight_map: {
        mask: "model-00001-of-00002.safetensors",
        "model.layers.2.weight": "model-00001-of-00002.safetensors",
        "model.layers.10.weight": "model-00002-of-00002.safetensors",
        "model.norm": "model-00002-of-00002.safetensors",
        scale: "model-00002-of-00002.safetensors",
      },
    });
    await using result = await openCheckpoint(join(folder, "b"));
    expect(result.metadata).toEqual({ format: "pt", by: "test" });
  });

  it("gives the same bytes again, with any number of workers", async () => {
    const folder = await temporaryFolder();
    // More than a worker thread is worth, in tensors of all sizes.
    const large = [
      ...Array.from({ length: 400 }, (_, i) => literal(`small.${i}`, "F16", [i % 13, 17], i)),
      ...Array.from({ length: 5 }, (_, i) => literal(`large.${i}`, "F32", [1024, 1024], i)),
    ];
    await writeCheckpoint(large, join(folder, "in"), { shardSize: 6e6 });
    const hashes = new Set<string>();
    for (const workers of [0, 1, 2, 3]) {
      await using source = await openCheckpoint(join(folder, "in"));
      const columns = Uint32Array.from({ length: 500 }, (_, i) => 2 * i);
      const rows = Uint32Array.from({ length: 700 }, (_, i) => i + 100);
      const pruned: Transform = (t) =>
        t.name.startsWith("large") ? select(t, { rows, columns }) : undefined;
      const out = join(folder, `out-${workers}`);
      await rewriteCheckpoint(source, pruned, out, { workers, dtype: "BF16", shardSize: 1e6 });
      hashes.add(await folderHash(out));
    }
    await using first = await openCheckpoint(join(folder, "out-3"));
    await rewriteCheckpoint(first, undefined, join(folder, "again"), { shardSize: 1e6 });
    hashes.add(await folderHash(join(folder, "again")));
    expect(hashes.size).toBe(1);
    const [row, column] = [17, 300];
    const original = toFloat32(large.find(({ name }) => name === "large.3")?.bytes as Uint8Array, "F32");
    const value = toFloat32(await readTensor(first, "large.3"), "BF16")[row * 500 + column];
    const expected = toFloat32(
      fromFloat32(original.slice((row + 100) * 1024 + 2 * column).slice(0, 1), "BF16"),
      "BF16",
    );
    expect(value).toBe(expected[0]);
  });

  it("renames, drops, replaces and adds", async () => {
    const result = await rewritten(
      await inMemory(tensors),
      (tensor) => {
        if (tensor.name === "mask") return drop();
        if (tensor.name === "scale")
          return replace({ name: "scale", dtype: "U8", shape: [2] }, Uint8Array.of(7, 8));
        return tensor.name === "model.norm" ? rename(tensor, "norm") : undefined;
      },
      { add: [{ name: "new", dtype: "I64", shape: [1], bytes: new Uint8Array(8).fill(9) }] },
    );
    expect([...result.tensors.keys()].sort()).toEqual([
      "model.layers.10.weight",
      "model.layers.2.weight",
      "new",
      "norm",
      "scale",
    ]);
    expect(await readTensor(result, "norm")).toEqual(tensors[2]?.bytes);
    expect(await readTensor(result, "scale")).toEqual(Uint8Array.of(7, 8));
    expect(await readTensor(result, "new")).toEqual(new Uint8Array(8).fill(9));
  });

  it("casts floats and nothing else", async () => {
    const result = await rewritten(await inMemory(tensors), undefined, { dtype: "F16" });
    const dtypeOf = Object.fromEntries([...result.tensors.values()].map(({ name, dtype }) => [name, dtype]));
    expect(dtypeOf).toEqual({
      "model.layers.10.weight": "F16",
      "model.layers.2.weight": "F16",
      "model.norm": "F16",
      mask: "BOOL",
      scale: "F16",
    });
  });

  it("refuses two outputs of one name", async () => {
    await expect(rewritten(await inMemory(tensors), (tensor) => rename(tensor, "same"))).rejects.toThrow(
      'tensor "same": two tensors of the output would have this name',
    );
  });

  it("tells how far it is, up to the whole", async () => {
    const seen: number[] = [];
    let total = 0;
    await rewritten(await inMemory(tensors), (t) => (t.name === "model.norm" ? drop() : undefined), {
      onProgress: ({ bytes, totalBytes }) => {
        seen.push(bytes);
        total = totalBytes;
      },
    });
    expect(total).toBe(2400 + 2400 + 160 + 7 + 8);
    expect(seen.at(-1)).toBe(total);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});

describe("a selection", () => {
  /** Rows and columns picked one element at a time. */
  function picked({ bytes, dtype, shape }: TensorLiteral, rows: number[], columns: number[]): Uint8Array {
    const size = byteLengthOf(dtype, []);
    const width = shape[1] ?? 1;
    const parts = rows.flatMap((row) => columns.map((column) => (row * width + column) * size));
    return Uint8Array.from(parts.flatMap((start) => [...bytes.subarray(start, start + size)]));
  }
  const indices = (count: number) => fc.subarray(Array.from({ length: count }, (_, i) => i));

  it("equals picking elements one by one, for matrices of any dtype", async () => {
    const cases = fc
      .tuple(
        fc.constantFrom<Dtype>("U8", "BF16", "F32", "F64", "C64"),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
      )
      .chain(([dtype, rows, columns]) =>
        fc.tuple(fc.constant({ dtype, rows, columns }), indices(rows), indices(columns)),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ([{ dtype, rows, columns }, keptRows, keptColumns]) => {
        const tensor = literal("t", dtype, [rows, columns], rows * 41 + columns);
        const selection = { rows: Uint32Array.from(keptRows), columns: Uint32Array.from(keptColumns) };
        const result = await rewritten(await inMemory([tensor]), (t) => select(t, selection));
        expect(tensorNamed(result, "t").shape).toEqual([keptRows.length, keptColumns.length]);
        expect(await readTensor(result, "t")).toEqual(picked(tensor, keptRows, keptColumns));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("of rows larger than a block, with gaps, is right", async () => {
    const tensor = literal("t", "U8", [64, 100_000]);
    const rows = [0, 1, 5, 6, 7, 30, 63];
    const result = await rewritten(await inMemory([tensor]), (t) =>
      select(t, { rows: Uint32Array.from(rows) }),
    );
    const expected = Buffer.concat(
      rows.map((row) => tensor.bytes.subarray(row * 100_000, (row + 1) * 100_000)),
    );
    expect(expected.equals(await readTensor(result, "t"))).toBe(true);
  });

  it("of a vector keeps its elements", async () => {
    const tensor = literal("bias", "BF16", [6]);
    const result = await rewritten(await inMemory([tensor]), (t) =>
      select(t, { rows: Uint32Array.of(1, 2, 5) }),
    );
    expect(await readTensor(result, "bias")).toEqual(picked(tensor, [1, 2, 5], [0]));
  });

  it.each([
    [{ rows: Uint32Array.of(1, 1) }, "rows to keep must ascend and lie below 4; number 1 is 1"],
    [{ rows: Uint32Array.of(4) }, "rows to keep must ascend and lie below 4; number 0 is 4"],
    [{ columns: Uint32Array.of(2, 9) }, "columns to keep must ascend and lie below 5; number 1 is 9"],
  ])("that does not fit is refused: %j", async (selection, message) => {
    const source = await inMemory([literal("t", "U8", [4, 5])]);
    await expect(rewritten(source, (t) => select(t, selection))).rejects.toThrow(`tensor "t": ${message}`);
  });

  it("of columns needs a matrix", async () => {
    const source = await inMemory([literal("t", "U8", [4, 5, 6])]);
    await expect(rewritten(source, (t) => select(t, { columns: Uint32Array.of(0) }))).rejects.toThrow(
      "shape [4,5,6], which is no matrix",
    );
  });
});

describe("an edit", () => {
  /** Splits a matrix of bytes into its low and high nibbles, and counts its rows at the end. */
  const nibbles: Transform = ({ name, shape }) => ({
    stage: () => {
      let seen = 0;
      return {
        push(rows, firstRow) {
          expect(firstRow).toBe(seen);
          seen += rows.length / (shape[1] ?? 1);
          return [rows.map((byte) => byte & 15), rows.map((byte) => byte >> 4), new Uint8Array(0)];
        },
        finish: () => [new Uint8Array(0), new Uint8Array(0), Uint8Array.of(seen)],
      };
    },
    outputs: [
      { name: `${name}.low`, dtype: "U8", shape },
      { name: `${name}.kind`, dtype: "U8", shape: [1], bytes: Uint8Array.of(42) },
      { name: `${name}.high`, dtype: "U8", shape },
      { name: `${name}.rows`, dtype: "U8", shape: [1] },
    ],
  });

  it("may make several tensors of one, some known beforehand", async () => {
    const tensor = literal("t", "U8", [50, 30_000]);
    const result = await rewritten(await inMemory([tensor]), nibbles);
    expect(
      Buffer.compare(
        await readTensor(result, "t.low"),
        tensor.bytes.map((byte) => byte & 15),
      ),
    ).toBe(0);
    expect(
      Buffer.compare(
        await readTensor(result, "t.high"),
        tensor.bytes.map((byte) => byte >> 4),
      ),
    ).toBe(0);
    expect(await readTensor(result, "t.kind")).toEqual(Uint8Array.of(42));
    expect(await readTensor(result, "t.rows")).toEqual(Uint8Array.of(50));
  });

  it("composed with others sees what they made, in one pass", async () => {
    const tensor = literal("t", "U8", [50, 30_000]);
    const half = (t: TensorSpec) =>
      select(t, { rows: Uint32Array.from({ length: (t.shape[0] ?? 0) / 2 }, (_, i) => 2 * i) });
    const firstColumns: Transform = (t) =>
      t.name.endsWith(".rows") ? undefined : select(t, { columns: Uint32Array.of(0, 3) });
    const named: Transform = (t) => rename(t, `model.${t.name}`);
    const result = await rewritten(await inMemory([tensor]), compose(half, nibbles, firstColumns, named));
    const [low, high] = ["low", "high"].map(() => [] as number[]) as [number[], number[]];
    for (let row = 0; row < 50; row += 2) {
      for (const column of [0, 3]) {
        const byte = tensor.bytes[row * 30_000 + column] as number;
        low.push(byte & 15);
        high.push(byte >> 4);
      }
    }
    expect([...(await readTensor(result, "model.t.low"))]).toEqual(low);
    expect([...(await readTensor(result, "model.t.high"))]).toEqual(high);
    expect(await readTensor(result, "model.t.rows")).toEqual(Uint8Array.of(25));
    expect(await readTensor(result, "t.kind")).toEqual(Uint8Array.of(42));
  });

  it.each([
    ["too little", 3],
    ["too much", 5],
  ])("that makes %s is an error", async (_, length) => {
    const edit: TensorEdit = {
      stage: () => ({ push: () => [new Uint8Array(length)] }),
      outputs: [{ name: "t", dtype: "U8", shape: [4] }],
    };
    await expect(rewritten(await inMemory([literal("t", "U8", [4])]), () => edit)).rejects.toThrow(
      `tensor "t": its edit made ${length} bytes where U8 of shape [4] takes 4`,
    );
  });
});

describe("files beside the weights", () => {
  it("go along, but for other weights, hidden ones and those the caller replaces", async () => {
    const folder = await temporaryFolder();
    await writeCheckpoint(tensors, join(folder, "in"), {
      files: {
        "config.json": "old",
        "tokenizer.json": "{}",
        "generation_config.json": "{}",
        "chat/template.jinja": "hello",
        "pytorch_model.bin": "stale",
        "onnx/model.onnx": "stale",
      },
    });
    await mkdir(join(folder, "in/.cache"));
    await writeFile(join(folder, "in/.cache/x"), "hidden");
    await writeCheckpoint(tensors, join(folder, "in/another"), { files: { "config.json": "another" } });
    await using source = await openCheckpoint(join(folder, "in"));
    await rewriteCheckpoint(source, undefined, join(folder, "out"), {
      files: { "config.json": "new", "generation_config.json": null, "README.md": "card" },
    });
    const names = (await readdir(join(folder, "out"), { recursive: true })).sort();
    expect(names).toEqual([
      ".vlmopt.json",
      "README.md",
      "chat",
      "chat/template.jinja",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    expect(await readFile(join(folder, "out/config.json"), "utf8")).toBe("new");
    expect(await readFile(join(folder, "out/chat/template.jinja"), "utf8")).toBe("hello");
  });

  it("stay behind where one file is written", async () => {
    const folder = await temporaryFolder();
    await writeCheckpoint(tensors, join(folder, "in"), { shardSize: 100, files: { "config.json": "{}" } });
    await using source = await openCheckpoint(join(folder, "in"));
    await rewriteCheckpoint(source, undefined, join(folder, "out.safetensors"));
    expect((await readdir(folder)).sort()).toEqual([".out.safetensors.vlmopt.json", "in", "out.safetensors"]);
    await using result = await openCheckpoint(join(folder, "out.safetensors"));
    expect(result.tensors.size).toBe(5);
  });
});
