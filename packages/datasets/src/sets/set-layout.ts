import type { RowReader } from "../records/row-reader.ts";

/** Rows of one kind of files: chosen by a split's name, or by patterns. */
export interface RowFiles {
  /** Folder of the hub's configuration; the whole set where it has none of that name. */
  readonly config?: string | undefined;
  readonly split?: string | undefined;
  readonly files?: readonly string[] | undefined;
}

/** How a set's files hold questions and pictures. */
export interface SetLayout {
  readonly reader: RowReader;
  readonly rows: RowFiles;
  /** Files whose rows have further columns, for rows with the same value of a column. */
  readonly joined?: RowFiles & { readonly by: string };
  /** Files that hold the pictures, for records whose image is the key of a row. */
  readonly pictures?: RowFiles & { readonly key: string; readonly image: string };
}
