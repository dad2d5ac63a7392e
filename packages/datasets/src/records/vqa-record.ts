/** A question about an image, and what people answered. Plain data: it may be saved and sent to another process. */
export interface VqaRecord {
  /** Unique in its set, and the same wherever and whenever the set is read. */
  readonly id: string;
  /** Name of the image as the data give it; the set that holds the record finds the bytes. */
  readonly image: string;
  /** Names of all images, where there are several. */
  readonly images?: readonly string[];
  readonly question: string;
  /** Reference answers; none where the data keep them back. */
  readonly answers: readonly string[];
  readonly context?: string;
  readonly topic?: string;
  readonly url?: string;
  /** Texts of the choices, in the order of their letters. */
  readonly choices?: readonly string[];
  /** Questions that count together bear the same: those of one picture, or rounds of one question. */
  readonly unit?: string;
  /** How answers are read, by name; of a task whose questions differ in that. */
  readonly reading?: string;
  /** Answers are boxes `[x, y, width, height]` in pixels, as JSON. */
  readonly answersAre?: "pixel-boxes";
}
