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
        for (const { first, products } of gram) sums.addGram(numbers(products), first);
        for (const { weight, products, squares } of crossed)
          sums.addTarget(weight, numbers(products), numbers(squares)[0] ?? 0);
      }
    },
    statistics: () =>
      passStatistics(
        probes,
        running.map((sums) => sums?.statistics()),
      ),
  };
}

/** Parts that channels fall into for products of each two: those left of the diagonal are not computed. */
const GRAM_PARTS = 4;

function sumsOf({ node, integers, output }: GraphWriter, { x, gram, targets }: Probed<OrtValue>) {
  const features = `features.${x.name}`;
  const given = (name: string, ...sizes: readonly (number | string)[]) => {
    output({ name, type: "F32", shape: sizes });
    return name;
  };
  const over = (operator: string, value: string) => node(operator, [value, integers([1])], { keepdims: 1 });
  const sizes = node("Abs", [x.name]);
  const moments = [
    // ONNX Runtime sums the plain way many times as fast as by its operators for squares and magnitudes.
    ...[x.name, node("Mul", [x.name, x.name]), sizes].map((value) => over("ReduceSum", value)),
    over("ReduceMax", sizes),
  ];
  const shape = node("Shape", [x.name]);
  output({ name: shape, type: "I64", shape: [3] });
  const rows = (value: OrtValue) => node("Reshape", [value.name, integers([-1, value.features])]);
  const products = (a: string, b: string) => node("com.microsoft.FusedMatMul", [a, b], { transA: 1 });
  const columns = (value: string, first: number, end: number) =>
    node("Slice", [value, integers([first]), integers([end]), integers([1])]);
  const width = Math.ceil(x.features / GRAM_PARTS);
  const firsts = Array.from({ length: Math.ceil(x.features / width) }, (_, part) => part * width);
  return {
    shape,
    moments: given(node("Concat", moments, { axis: 1 }), `sequences.${x.name}`, moments.length, features),
    gram: (gram ? firsts : []).map((first) => {
      const all = first === 0 ? rows(x) : columns(rows(x), first, x.features);
      const some = columns(rows(x), first, first + width);
      const name = products(some, all);
      return { first, products: given(name, `${name}.0`, `${name}.1`) };
    }),
    crossed: targets.map(({ weight, wanted }) => ({
      weight,
      products: given(products(rows(wanted), rows(x)), `features.${wanted.name}`, features),
      squares: given(node("ReduceSumSquare", [wanted.name], { keepdims: 0 })),
    })),
  };
}
