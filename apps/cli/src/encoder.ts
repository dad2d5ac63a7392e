import type { Encoder } from "@vlmopt/engine";

/** BERTScore has nothing to ask for token embeddings. */
export class EncoderError extends Error {
  override readonly name = "EncoderError";
  readonly hint = "give one, or leave bertscore out of --metrics";
}

/**
 * The encoder that BERTScore asks for token embeddings.
 * @throws {EncoderError} where none was named
 */
export async function encoderFor(folder: string | undefined, layer: number | undefined): Promise<Encoder> {
  if (folder === undefined) throw new EncoderError("bertscore needs an encoder: --encoder <folder>");
  const { loadEncoder } = await import("@vlmopt/engine");
  return loadEncoder(folder, layer === undefined ? {} : { layer });
}
