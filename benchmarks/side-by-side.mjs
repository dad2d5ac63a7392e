// Timings of two or more ways to do one thing, taken in turn so that a machine that slows down slows all of them.

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs every contestant `rounds` times in turn, after one round that is not counted.
 * @param contestants name → function that does the work once, and may return its own seconds
 * @returns name → { seconds: median, runs: all, ratio: median over rounds of the first contestant's time to this one's }
 */
export async function sideBySide(contestants, { rounds = 5 } = {}) {
  const names = Object.keys(contestants);
  const runs = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const started = performance.now();
      const own = await contestants[name]();
      const seconds = typeof own === "number" ? own : (performance.now() - started) / 1000;
      if (round >= 0) runs[name].push(seconds);
    }
  }
  return Object.fromEntries(
    names.map((name) => {
      const ratios = runs[name].map((seconds, round) => runs[names[0]][round] / seconds);
      return [name, { seconds: median(runs[name]), runs: runs[name], ratio: median(ratios) }];
    }),
  );
}

/** Prints rows of cells in columns; the first row is the head. */
export function printTable(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i])))
        .join("  "),
    );
  }
}
