/** A question about an image, and what people answered. Plain data: it may be saved and sent to another process. */
export interface VqaRecord {
  /** Unique in its set, and the same wherever and whenever the set is read. */
  readonly id: string;
  /** Name of the image as the data give it; the set that holds the record finds the bytes. */
  readonly image: string;
  readonly question: string;
  /** Reference answers; none where the data keep them back. */
  readonly answers: readonly string[];
  readonly context?: string;
  readonly topic?: string;
  readonly url?: string;
}
