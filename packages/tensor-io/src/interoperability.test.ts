import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  byteLengthOf,
  type Dtype,
  dtypes,
  memorySink,
  openCheckpoint,
  readTensor,
  rewriteCheckpoint,
  type TensorLiteral,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import { expect, it } from "vitest";
import { patternedBytes, temporaryFolder } from "./test-support/build-file.ts";

const { SafeTensor } = createRequire(import.meta.url)("safetensors") as {
  SafeTensor: new (bytes: Uint8Array) => SafeTensorsFile;
};

/** Made by tools/reference/tensor_io_goldens.py. */
const goldens = fileURLToPath(new URL("../goldens/", import.meta.url));

interface Golden {
  readonly "every-dtype.safetensors": {
    readonly metadata: Record<string, string>;
    readonly tensors: Record<string, { dtype: Dtype; shape: number[]; sha256: string }>;
  };
  readonly values: Record<string, number[]>;
}

const golden = JSON.parse(await readFile(join(goldens, "python-safetensors.json"), "utf8")) as Golden;
const file = join(goldens, "every-dtype.safetensors");

it("reads what Python's safetensors wrote: every dtype, scalars, empty tensors, names that are not ASCII", async () => {
  await using checkpoint = await openCheckpoint(file);
  const { metadata, tensors } = golden["every-dtype.safetensors"];
  expect(checkpoint.metadata).toEqual(metadata);
  expect([...checkpoint.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
  for (const [name, { dtype, shape, sha256 }] of Object.entries(tensors)) {
    expect(checkpoint.tensors.get(name)).toMatchObject({ dtype, shape });
    expect(
      createHash("sha256")
        .update(await readTensor(checkpoint, name))
        .digest("hex"),
    ).toBe(sha256);
  }
});

it("reads the numbers that PyTorch reads", async () => {
  await using checkpoint = await openCheckpoint(file);
  for (const [name, values] of Object.entries(golden.values)) {
    const { dtype } = checkpoint.tensors.get(name) as { dtype: Dtype };
    expect([...toFloat32(await readTensor(checkpoint, name), dtype)]).toEqual(values);
  }
});

it("writes the bytes that Python's safetensors writes", async () => {
  await using checkpoint = await openCheckpoint(file);
  const sink = memorySink();
  await rewriteCheckpoint(checkpoint, undefined, sink);
  expect(Buffer.compare(sink.files.get("model.safetensors") as Uint8Array, await readFile(file))).toBe(0);
});

const python = process.env.VLMOPT_PYTHON;

it.skipIf(python === undefined)("writes files that Python's safetensors loads (VLMOPT_PYTHON)", async () => {
  const folder = await temporaryFolder();
  const tensors: TensorLiteral[] = dtypes.map((dtype, i) => {
    const shape = [3, 8];
    return { name: `t.${dtype}`, dtype, shape, bytes: patternedBytes(byteLengthOf(dtype, shape), i) };
  });
  await writeCheckpoint(tensors, join(folder, "ours.safetensors"), { metadata: { format: "pt", 鍵: "値" } });
  const script = `
import hashlib, json, sys
from safetensors import deserialize, safe_open
raw = open(sys.argv[1], "rb").read()
with safe_open(sys.argv[1], "pt") as f:
    metadata = f.metadata()
print(json.dumps([metadata, {name: [info["dtype"], info["shape"], hashlib.sha256(info["data"]).hexdigest()] for name, info in deserialize(raw)}]))`;
  const output = execFileSync(python as string, ["-c", script, join(folder, "ours.safetensors")], {
    encoding: "utf8",
  });
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  expect(JSON.parse(output)).toEqual([
    { format: "pt", 鍵: "値" },
    Object.fromEntries(tensors.map(({ name, dtype, shape, bytes }) => [name, [dtype, shape, hash(bytes)]])),
  ]);
});

it("writes files that the npm package safetensors reads, where they have no metadata, which it takes for a tensor", async () => {
  const tensors: TensorLiteral[] = [
    { name: "a.weight", dtype: "F32", shape: [2, 3], bytes: patternedBytes(24) },
    { name: "b", dtype: "BF16", shape: [5], bytes: patternedBytes(10) },
    { name: "naïve", dtype: "I64", shape: [], bytes: patternedBytes(8) },
  ];
  const path = join(await temporaryFolder(), "made.safetensors");
  await writeCheckpoint(tensors, path, { metadata: {} });
  // It cuts views of a buffer of its own, so that nothing may stand before it.
  const read = new SafeTensor(Uint8Array.from(await readFile(path)));
  expect([...read.metadata.keys()].toSorted()).toEqual(tensors.map(({ name }) => name));
  for (const { name, dtype, shape, bytes } of tensors) {
    expect(read.metadata.get(name)).toMatchObject({ dtype, shape });
    expect(read.getTensor(name)).toEqual(Uint8Array.from(bytes));
  }
  await writeCheckpoint(tensors, join(path, "../other.safetensors"), { metadata: { format: "pt" } });
  const other = await readFile(join(path, "../other.safetensors"));
  expect(() => new SafeTensor(Uint8Array.from(other))).toThrow(TypeError);
});

/** The package has no types, and only its CommonJS build loads in Node. */
interface SafeTensorsFile {
  readonly metadata: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;
  getTensor(name: string): Uint8Array;
}
