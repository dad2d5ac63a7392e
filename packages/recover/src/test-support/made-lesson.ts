import type { Lesson, Parameters } from "@vlmopt/models";

/** Each row wants the weights to be a certain number: the loss of a row is Σ (w − wanted)². */
export function madeLesson(
  wanted: readonly number[],
  {
    start,
    heldOut,
    lossOf = (loss) => loss,
  }: {
    readonly start: Parameters;
    readonly heldOut: number;
    /** What is told of the n-th gradient. */
    readonly lossOf?: (loss: number, n: number) => number;
  },
): Lesson & { readonly seen: number[][]; readonly released: () => boolean } {
  const seen: number[][] = [];
  let released = false;
  const distance = (parameters: Parameters, target: number) =>
    [...parameters.values()].reduce(
      (sum, numbers) => sum + numbers.reduce((own, w) => own + (w - target) ** 2, 0),
      0,
    );
  return {
    trained: new Map([...start].map(([name, { length }]) => [name, [length]])),
    tokens: wanted.map(() => 1),
    heldOutTokens: 1,
    seen,
    released: () => released,
    initial: async () => start,
    async gradient(parameters, rows) {
      seen.push([...rows]);
      const gradients = new Map<string, Float32Array>();
      for (const [name, numbers] of parameters) {
        const sum = (w: number) => rows.reduce((total, row) => total + 2 * (w - (wanted[row] as number)), 0);
        gradients.set(name, Float32Array.from(numbers, sum));
      }
      const loss = rows.reduce((total, row) => total + distance(parameters, wanted[row] as number), 0);
      return { loss: lossOf(loss, seen.length), gradients };
    },
    heldOutLoss: async (parameters) => distance(parameters, heldOut),
    async release() {
      released = true;
    },
  };
}
