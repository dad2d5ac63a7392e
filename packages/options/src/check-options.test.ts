import {
  checkOptions,
  either,
  finite,
  flag,
  listOf,
  OptionError,
  oneOf,
  type Rules,
  text,
  whole,
} from "@vlmopt/options";
import { describe, expect, test } from "vitest";

interface Options {
  readonly count?: number;
  readonly share?: number;
  readonly kind?: "a" | "b";
  readonly fast?: boolean;
  readonly images?: readonly string[];
  readonly size?: number | "row";
}

const rules: Rules<Options> = {
  count: whole(),
  share: finite({ above: 0, to: 1 }),
  kind: oneOf(["a", "b"]),
  fast: flag,
  images: listOf(text, { least: 1 }),
  size: either(whole({ from: 2, to: 8 }), oneOf(["row"])),
};

describe("options", () => {
  test.each<[object | undefined]>([
    [undefined],
    [{}],
    [{ count: 3, share: 1, kind: "b", fast: false, images: ["x"], size: "row" }],
    [{ count: undefined, other: undefined }],
  ])("in their ranges pass: %o", (options) => {
    expect(() => checkOptions("work", options as Options, rules)).not.toThrow();
  });

  test("that must be given are missed", () => {
    expect(() => checkOptions<Options>("work", {}, rules, ["kind"])).toThrow("work: kind is missing");
  });

  test.each([
    [{ count: 0 }, "work: count is 0, not a whole number from 1 on"],
    [{ count: Number.NaN }, "work: count is NaN, not a whole number from 1 on"],
    [{ count: -1 }, "work: count is -1, not a whole number from 1 on"],
    [{ count: 1.5 }, "work: count is 1.5, not a whole number from 1 on"],
    [{ count: "3" }, 'work: count is "3", not a whole number from 1 on'],
    [{ count: null }, "work: count is null, not a whole number from 1 on"],
    [{ share: 0 }, "work: share is 0, not a number above 0 to 1"],
    [{ share: Number.POSITIVE_INFINITY }, "work: share is Infinity, not a number above 0 to 1"],
    [{ kind: "c" }, 'work: kind is "c", not one of "a", "b"'],
    [{ fast: 1 }, "work: fast is 1, not true or false"],
    [{ images: [] }, "work: images has 0 items, not 1 or more"],
    [{ images: ["x", 2] }, "work: images has an item, number 1, that is 2, not a text"],
    [{ images: "x.png" }, 'work: images is "x.png", not a list'],
    [{ size: 9 }, 'work: size is 9, not a whole number from 2 to 8 or "row"'],
    [{ image: ["x"] }, 'work: there is no option "image"; did you mean "images"?'],
    [{ nothing: 1 }, 'work: there is no option "nothing"; there are count, share, kind, fast, images, size'],
    [[], "work: the options are a list, not an object"],
    [3, "work: the options are 3, not an object"],
  ])("that are wrong are told in one sentence: %o", (options, sentence) => {
    expect(() => checkOptions("work", options as Options, rules)).toThrow(new OptionError(sentence));
  });
});
