/** Ascending indices as text, runs joined: `0-2,5,7-9`. A plan of a 7B model stays a file that one can read. */
export type IndexRanges = string;

export function toRanges(indices: Iterable<number>): IndexRanges {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** @throws {SyntaxError} where the text is no list of ascending ranges */
export function fromRanges(ranges: IndexRanges): number[] {
  const indices: number[] = [];
  for (const run of ranges === "" ? [] : ranges.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(run);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || first <= (indices.at(-1) ?? -1)) {
      throw new SyntaxError(`"${run}" is no range of ascending indices such as 3 or 5-9`);
    }
    for (let index = first; index <= last; index++) indices.push(index);
  }
  return indices;
}
