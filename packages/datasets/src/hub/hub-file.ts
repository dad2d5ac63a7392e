import type { ContentId } from "./content-hash.ts";

/** A file of a repository at one commit, as the hub lists it. */
export interface HubFile {
  /** Path within the repository, parts parted by `/`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly id: ContentId;
}
