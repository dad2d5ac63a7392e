import type { GraphWriter } from "./ort-graph.ts";

/** Row numbers of tokens `[batch, tokens]`, as RotaryEmbedding looks them up. */
export function tokenRows(graph: GraphWriter, x: string): string {
  const shape = graph.node("Shape", [x], { start: 0, end: 2 });
  const count = graph.node("ReduceProd", [shape], { keepdims: 0 });
  const range = graph.node("Range", [graph.integers([0], []), count, graph.integers([1], [])]);
  return graph.node("Reshape", [range, shape]);
}

/** Rows `[n]` as ScatterND takes them, `[n, 1]`. */
export function rowPlaces(graph: GraphWriter, rows: string): string {
  return graph.once(`places ${rows}`, () =>
    graph.node("Unsqueeze", [graph.node("Cast", [rows], { to: 7 }), graph.integers([1])]),
  );
}
