import { InvalidArgumentError } from "@commander-js/extra-typings";

/** Reads the share of items that may be bad before a command fails. */
export function parseFailedShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== "" && share >= 0 && share < 1) return share;
  throw new InvalidArgumentError("Give a share from 0 to less than 1, such as 0.1.");
}
