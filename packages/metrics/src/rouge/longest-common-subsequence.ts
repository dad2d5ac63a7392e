let row = new Int32Array(0);

/** Length of the longest common subsequence of two lists of word ids. */
export function lcsLength(a: Int32Array, b: Int32Array): number {
  if (row.length <= b.length) row = new Int32Array(b.length + 1);
  row.fill(0, 0, b.length + 1);
  for (let i = 0; i < a.length; i++) {
    const word = a[i];
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] as number;
      const left = row[j - 1] as number;
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, left);
      diagonal = above;
    }
  }
  return row[b.length] as number;
}

let table = new Int32Array(0);

/**
 * Marks in `marks` the positions of `a` that belong to a longest common subsequence with `b`: of several, the one that rouge_score's way
 * back through the table finds, which steps to the shorter `b` only where that is strictly better.
 */
export function markLcs(a: Int32Array, b: Int32Array, marks: Uint8Array): void {
  const width = b.length + 1;
  const size = (a.length + 1) * width;
  if (table.length < size) table = new Int32Array(size);
  table.fill(0, 0, width);
  for (let i = 1; i <= a.length; i++) {
    table[i * width] = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = table[(i - 1) * width + j] as number;
      const left = table[i * width + j - 1] as number;
      table[i * width + j] =
        a[i - 1] === b[j - 1] ? (table[(i - 1) * width + j - 1] as number) + 1 : Math.max(above, left);
    }
  }
  for (let i = a.length, j = b.length; i > 0 && j > 0; ) {
    if (a[i - 1] === b[j - 1]) {
      marks[i - 1] = 1;
      i--;
      j--;
    } else if ((table[i * width + j - 1] as number) > (table[(i - 1) * width + j] as number)) j--;
    else i--;
  }
}
