import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bitsPerElement, type Dtype } from "../dtype.ts";

interface Golden {
  readonly lowHalves: readonly number[];
  readonly canonicalNan: Readonly<Record<string, number>>;
  readonly cases: readonly { from: Dtype; to: Dtype; count: number; sha256: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../goldens/convert.json", import.meta.url), "utf8"),
) as Golden;

/** A fresh module, since which code it uses is settled at its first conversion. */
async function converter(kind: "wasm" | "plain") {
  vi.resetModules();
  vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
  return import("./convert.ts");
}

afterEach(() => {
  vi.unstubAllEnvs();
});

/** The inputs of tools/reference/tensor_io_convert.py. */
function everyPattern(dtype: Dtype): Uint8Array {
  const bits = bitsPerElement(dtype);
  if (bits === 8) return Uint8Array.from({ length: 256 }, (_, i) => i);
  if (bits === 16) return new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
  const patterns = golden.lowHalves.flatMap((low) =>
    Array.from({ length: 65536 }, (_, upper) => upper * 65536 + low),
  );
  return new Uint8Array(Uint32Array.from(patterns).buffer);
}

function elements(bytes: Uint8Array, dtype: Dtype): Uint8Array | Uint16Array | Uint32Array {
  const bits = bitsPerElement(dtype);
  if (bits === 8) return bytes;
  return bits === 16 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
}

/** Makes every NaN the golden's, by the exponent and mantissa of the format. */
function withCanonicalNan(bytes: Uint8Array, dtype: Dtype): Uint8Array {
  const firstNan =
    { F32: 0x7f800001, F16: 0x7c01, BF16: 0x7f81, F8_E4M3: 0x7f, F8_E5M2: 0x7d }[dtype as string] ?? 0;
  const magnitude = 2 ** (bitsPerElement(dtype) - 1);
  const patterns = elements(bytes, dtype);
  for (let i = 0; i < patterns.length; i++) {
    if ((patterns[i] as number) % magnitude >= firstNan) patterns[i] = golden.canonicalNan[dtype] as number;
  }
  return bytes;
}

describe.each(["wasm", "plain"] as const)("conversion by %s code", (kind) => {
  it.each(golden.cases)(
    "gives PyTorch's bits for every $from pattern to $to",
    async ({ from, to, sha256 }) => {
      const { convert } = await converter(kind);
      const result = withCanonicalNan(convert(everyPattern(from), from, to), to);
      expect(createHash("sha256").update(result).digest("hex")).toBe(sha256);
    },
  );

  it("takes any length and any alignment", async () => {
    const { convert } = await converter(kind);
    const whole = everyPattern("F16").subarray(0, 2 * 20_000);
    const expected = convert(whole, "F16", "BF16");
    for (const count of [0, 1, 7, 15, 17, 16_383, 16_385]) {
      const unaligned = new Uint8Array(2 * count + 1);
      unaligned.set(whole.subarray(0, 2 * count), 1);
      const output = new Uint8Array(2 * count + 3).fill(0xaa);
      const result = convert(unaligned.subarray(1), "F16", "BF16", output.subarray(1));
      expect(Buffer.compare(result, expected.subarray(0, 2 * count))).toBe(0);
      expect([output[0], ...output.subarray(2 * count + 1)]).toEqual([0xaa, 0xaa, 0xaa]);
    }
  });

  it("rounds F64 as Math.fround does", async () => {
    const { convert } = await converter(kind);
    const doubles = Float64Array.of(0, -0, 1 / 3, 1e-46, 3.5e38, Number.NaN, -Math.PI);
    const floats = new Float32Array(convert(new Uint8Array(doubles.buffer), "F64", "F32").buffer);
    expect([...floats]).toEqual([...doubles].map(Math.fround));
    expect([...new Float64Array(convert(new Uint8Array(floats.buffer), "F32", "F64").buffer)]).toEqual([
      ...floats,
    ]);
  });
});

describe("conversion", () => {
  it("names both dtypes and the known ones where it cannot", async () => {
    const { convert } = await converter("wasm");
    expect(() => convert(new Uint8Array(8), "I32", "BF16")).toThrow(
      "I32 to BF16 was asked for and I32 is not one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2",
    );
  });

  it("copies where there is nothing to convert", async () => {
    const { convert } = await converter("wasm");
    expect(convert(Uint8Array.of(1, 2, 3, 4), "I32", "I32")).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it("goes from floats to elements and back", async () => {
    const { fromFloat32, toFloat32 } = await converter("wasm");
    const values = Float32Array.of(1, -0.5, 65504, 2 ** -24);
    expect(fromFloat32(values, "F16")).toEqual(Uint8Array.of(0x00, 0x3c, 0x00, 0xb8, 0xff, 0x7b, 0x01, 0x00));
    expect(toFloat32(fromFloat32(values, "F16"), "F16")).toEqual(values);
  });
});
