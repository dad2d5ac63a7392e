/** 0 to `count` − 1. */
export function allOf(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}

/** Those of `count` columns that `kept` does not name, in order. */
export function othersThan(kept: ArrayLike<number>, count: number): Uint32Array {
  const stays = new Uint8Array(count);
  for (let i = 0; i < kept.length; i++) stays[kept[i] as number] = 1;
  return allOf(count).filter((column) => stays[column] === 0);
}

/** Columns of a matrix stored by rows of `stride`, those of `columns` in their order. */
export function selectColumns(
  values: Float32Array | Float64Array,
  stride: number,
  columns: ArrayLike<number>,
): Float64Array {
  const rows = values.length / stride;
  const selected = new Float64Array(rows * columns.length);
  let place = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns.length; j++)
      selected[place++] = values[i * stride + (columns[j] as number)] as number;
  }
  return selected;
}

/** Some rows and columns of a square matrix; the matrix itself where that is all of them. */
export function selectBlock(
  square: Float32Array | Float64Array,
  size: number,
  rows: ArrayLike<number>,
  columns: ArrayLike<number>,
): Float32Array | Float64Array {
  if (rows.length === size && columns.length === size) return square;
  const count = rows.length * columns.length;
  const selected = square instanceof Float32Array ? new Float32Array(count) : new Float64Array(count);
  let place = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = (rows[i] as number) * size;
    for (let j = 0; j < columns.length; j++)
      selected[place++] = square[row + (columns[j] as number)] as number;
  }
  return selected;
}

/** @throws {RangeError} unless `kept` are some of `count` columns, in order */
export function requireColumns(kept: ArrayLike<number>, count: number, subject: string): void {
  if (kept.length === 0) throw new RangeError(`${subject}: no column stays, and one has to`);
  for (let i = 0; i < kept.length; i++) {
    const column = kept[i] as number;
    if (
      !Number.isInteger(column) ||
      column >= count ||
      column < 0 ||
      (i > 0 && column <= (kept[i - 1] as number))
    ) {
      throw new RangeError(
        `${subject}: kept column ${i} is ${column}; kept columns are whole numbers from 0 to ${count - 1} in rising order`,
      );
    }
  }
}
