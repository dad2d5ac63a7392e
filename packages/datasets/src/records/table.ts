/** Rows of a file, or a part of them: files of columns are read in parts. */
export interface Table {
  /** For messages. */
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Place of the first of these rows in the file. */
  readonly firstRow: number;
  /** No rows follow. */
  readonly isLast: boolean;
  /** Every cell is text: what a list was before it was written is one cell. */
  readonly cellsAreText?: boolean;
  /** Columns whose pictures the file itself holds: they stay there until asked for. */
  readonly pictureColumns?: readonly string[];
  /** Reads a row's pictures of one of these columns; a name stands for a file. */
  readonly readPictures?: (row: number, column: string) => Promise<readonly (Uint8Array | string)[]>;
}

/** What to read of a file: files of columns read no others. */
export interface TableSelection {
  /** Columns of images: they may hold bytes. */
  readonly images: readonly string[];
  /** Of files of text. Default: UTF-8, or UTF-16 where its byte order mark says so. */
  readonly encoding?: string | undefined;
  /** Columns, or with dots what of them is asked for: files of structs read no other members. Default: all. */
  readonly paths?: readonly string[];
  choose(available: readonly string[]): readonly string[];
}
