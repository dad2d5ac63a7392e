import type * as ort from "onnxruntime-node";
import {
  type PassStatistics,
  type Probed,
  passStatistics,
  type RunningStatistics,
  runningStatistics,
} from "../../calibration/input-statistics.ts";
import type { GraphWriter } from "./ort-graph.ts";
import type { OrtValue } from "./ort-ops.ts";

/** Sums that a graph gives of what goes into its linears, added up over runs. */
export interface OrtProbes {
  record(results: Readonly<Record<string, ort.Tensor>>): void;
  statistics(): PassStatistics;
}

/** Adds to a graph what sums each batch's tokens: sums are its outputs, tokens are not. */
export function ortProbes(graph: GraphWriter, probed: readonly Probed<OrtValue>[]): OrtProbes {
  const probes = probed.map((each) => ({ ...each, ...sumsOf(graph, each) }));
  const running: (RunningStatistics | undefined)[] = probes.map(() => undefined);
  return {
    record(results) {
      const numbers = (name: string) => results[name]?.data as Float32Array;
      for (const [n, { x, shape, moments, gram, crossed }] of probes.entries()) {
        const [sequences, tokens] = Array.from(results[shape]?.data as BigInt64Array, Number);
        running[n] ??= runningStatistics(x.features);
        const sums = running[n];
        sums.addMoments({ sequences: sequences ?? 0, tokens: tokens ?? 0, figures: numbers(moments) });
        if (gram !== undefined) sums.addGram(numbers(gram));
        for (const { weight, products, squares } of crossed)
          sums.addTarget(weight, numbers(products), numbers(squares)[0] ?? 0);
      }
    },
    statistics: () => passStatistics(probes, running),
  };
}

function sumsOf({ node, integers, output }: GraphWriter, { x, gram, targets }: Probed<OrtValue>) {
  const features = `features.${x.name}`;
  const given = (name: string, ...sizes: readonly (number | string)[]) => {
    output({ name, type: "F32", shape: sizes });
    return name;
  };
  const sum = (operator: string, value: string) => node(operator, [value, integers([1])], { keepdims: 1 });
  const sums = [
    ...["ReduceSum", "ReduceSumSquare", "ReduceL1"].map((operator) => sum(operator, x.name)),
    sum("ReduceMax", node("Abs", [x.name])),
  ];
  const shape = node("Shape", [x.name]);
  output({ name: shape, type: "I64", shape: [3] });
  const rows = (value: OrtValue) => node("Reshape", [value.name, integers([-1, value.features])]);
  /** Products of each two channels. */
  const products = (a: OrtValue, b: OrtValue) =>
    node("com.microsoft.FusedMatMul", [rows(a), rows(b)], { transA: 1 });
  return {
    shape,
    moments: given(node("Concat", sums, { axis: 1 }), `sequences.${x.name}`, sums.length, features),
    gram: gram ? given(products(x, x), features, features) : undefined,
    crossed: targets.map(({ weight, wanted }) => ({
      weight,
      products: given(products(wanted, x), `features.${wanted.name}`, features),
      squares: given(node("ReduceSumSquare", [wanted.name], { keepdims: 0 })),
    })),
  };
}
