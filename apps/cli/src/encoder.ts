import type { Encoder } from "@vlmopt/metrics";

/** No encoder by that name can be run. */
export class EncoderError extends Error {
  override readonly name = "EncoderError";
  readonly hint = "leave bertscore out of --metrics";
}

/**
 * The encoder that BERTScore asks for token embeddings.
 * @throws {EncoderError} where there is none by that name
 */
export async function encoderFor(name: string): Promise<Encoder> {
  throw new EncoderError(`bertscore needs the encoder ${name}, and this version of vlmopt cannot run it`);
}
