/** GPT-2's alphabet: a character that prints for each byte. */
const CHARACTERS: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCodePoint(prints ? byte : next++);
  });
})();

const BYTES: ReadonlyMap<string, number> = new Map(CHARACTERS.map((character, byte) => [character, byte]));

const encoder = new TextEncoder();

/** A text's bytes in UTF-8, each as its character. */
export function byteCharacters(text: string): string {
  return Array.from(encoder.encode(text), (byte) => CHARACTERS[byte]).join("");
}

/** The bytes that characters stand for; a text with others stands for itself. */
export function bytesOfCharacters(text: string): Uint8Array {
  const bytes = Array.from(text, (character) => BYTES.get(character));
  return bytes.includes(undefined) ? encoder.encode(text) : Uint8Array.from(bytes as number[]);
}
