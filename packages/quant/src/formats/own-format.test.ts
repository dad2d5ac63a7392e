import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  dequantizeCheckpoint,
  type Format,
  formats,
  planQuantization,
  quantizeCheckpoint,
  schemeNamed,
  schemesNamed,
} from "@vlmopt/quant";
import { convert, openCheckpoint, readTensor } from "@vlmopt/tensor-io";
import { afterAll, expect, test } from "vitest";
import { e5m2 } from "../test-support/e5m2-format.mjs";
import { openFixture } from "../test-support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-own-format-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const all: readonly Format[] = [...formats, e5m2];

test.each([0, 1])(
  "a format from outside is planned, written and read back by %i worker threads",
  async (workers) => {
    const { checkpoint, description } = await openFixture("llava");
    const scheme = schemeNamed("e5m2", "best", all);
    const plan = planQuantization(description, checkpoint.tensors, { scheme, formats: all });
    expect(plan.after.bitsPerWeight).toBe(8);
    expect(plan.config[0]?.value).toEqual({ quant_method: "e5m2" });
    const place = join(folder, `written-${workers}`);
    const { errors } = await quantizeCheckpoint(checkpoint, plan, place, {
      formats: all,
      measure: true,
      workers,
    });
    await using written = await openCheckpoint(place);
    const [name = ""] = plan.groups[0]?.tensors ?? [];
    expect(written.tensors.get(name)?.dtype).toBe("F8_E5M2");
    expect(errors.get(name)).toBeGreaterThan(1e-4);

    const back = join(folder, `back-${workers}`);
    await dequantizeCheckpoint(written, back, { formats: all, workers });
    await using plain = await openCheckpoint(back);
    const codes = convert(await readTensor(checkpoint, name), "F32", "F8_E5M2");
    expect(await readTensor(plain, name)).toEqual(convert(codes, "F8_E5M2", "F32"));
  },
);

test("who does not know it is told which formats there are", async () => {
  expect(() => schemeNamed("e5m2")).toThrow(/no scheme is named "e5m2": there are int4-g32, .*mxfp4$/);
  const { checkpoint, description } = await openFixture("llava");
  expect(() => planQuantization(description, checkpoint.tensors, { scheme: { format: "e5m2" } })).toThrow(
    'no format is named "e5m2": there are pack-quantized, int-quantized,',
  );
  expect(() => schemesNamed("int4-g16+down=e5m2", "best", all)).not.toThrow();
});
