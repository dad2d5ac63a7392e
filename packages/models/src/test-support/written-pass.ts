import { describeModel, expectedTensors, type ForwardPass, modelForward, type Ops } from "@vlmopt/models";

/** All that a configuration makes of a model: its tensors, and the operations of its passes with what the host adds. */
export function writtenModel(config: unknown): string {
  const tensors = expectedTensors(config);
  const forward = modelForward(
    config,
    describeModel(config, new Map(tensors.map((spec) => [spec.name, spec]))),
  );
  const { imageEncoder, decoder, cache, imageToken, maxPositions } = forward;
  const ids = [5, 6, 7];
  const { axes } = forward.promptPositions(ids, []);
  const inputs = forward.decoderInputs({
    sequences: [{ ids, positions: axes.map(() => Int32Array.of(1, 3, 500)), past: 0 }],
    capacity: 4,
    wanted: [2],
  });
  return JSON.stringify(
    {
      tensors,
      imageToken,
      maxPositions,
      cache,
      decoder: writtenPass(decoder),
      inputs,
      images: imageEncoder && writtenPass(imageEncoder.pass),
      seen: imageEncoder && seen(imageEncoder),
    },
    (_, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value),
    1,
  );
}

/** What the host gives to the encoder of a picture; undefined where this one's shape does not suit it. */
function seen({ inputsOf }: NonNullable<ReturnType<typeof modelForward>["imageEncoder"]>): unknown {
  const pixels = { shape: [5, 3, 28, 28], data: new Float32Array(0) };
  return inputsOf({ pixels, grid: [1, 4, 6], originalSize: [50, 60] });
}

/** The operations of a pass, one after the other. */
export function writtenPass(pass: ForwardPass): unknown {
  const calls: unknown[] = [];
  const value = (name: string) => ({ value: name });
  const ops = new Proxy({} as Ops<unknown>, {
    get:
      (_, operation: string) =>
      (...given: unknown[]) => {
        calls.push([operation, ...given]);
        const name = `v${calls.length}`;
        if (operation !== "split") return value(name);
        return Array.from({ length: given[1] as number }, (_part, i) => value(`${name}.${i}`));
      },
  });
  const inputs = Object.fromEntries(Object.keys(pass.inputs).map((name) => [name, value(name)]));
  return { inputs: pass.inputs, outputs: pass.run(ops, inputs), calls };
}
