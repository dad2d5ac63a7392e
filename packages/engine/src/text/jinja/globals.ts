import { CallArguments } from "./call-arguments.ts";
import { strftime } from "./strftime.ts";
import { TemplateError } from "./template-error.ts";
import { textOf } from "./text-of.ts";
import {
  Callable,
  isDict,
  iterate,
  type Key,
  keyOf,
  Namespace,
  none,
  sequence,
  type Value,
} from "./values.ts";
import { spendRange } from "./work-limit.ts";

/** Functions that every template has: Jinja2's, and those of transformers. */
export function globals(): (readonly [string, Value])[] {
  const all: Callable[] = [
    new Callable("range", (args) => range(args)),
    new Callable("dict", (args, named) => new Map([...pairs(args), ...named])),
    new Callable("namespace", (args, named) => {
      const attributes = new Map([
        ...pairs(args).map(([key, value]) => [String(key), value] as const),
        ...named,
      ]);
      const hidden = [...attributes.keys()].find((name) => name.startsWith("_"));
      if (hidden !== undefined)
        throw new TemplateError(`the attribute "${hidden}" of a namespace begins with "_"`);
      return new Namespace(attributes);
    }),
    new Callable("raise_exception", (args, named) => {
      const message = new CallArguments("raise_exception", ["message"], args, named).value("message");
      throw new TemplateError(`it refuses the messages: ${textOf(message)}`);
    }),
    new Callable("strftime_now", (args, named) => {
      return strftime(new Date(), new CallArguments("strftime_now", ["format"], args, named).text("format"));
    }),
    new Callable("cycler", (args) => cycler(args)),
    new Callable("joiner", ([by = ", "]) => joiner(by)),
  ];
  return all.map((callable) => [callable.name, callable] as const);
}

function range(args: readonly Value[]): Value {
  const numbers = new CallArguments("range", ["start", "stop", "step"], args, new Map());
  const [start, stop] =
    args.length === 1 ? [0, numbers.integer("start")] : [numbers.integer("start"), numbers.integer("stop")];
  const step = numbers.integer("step", 1);
  if (step === 0) throw new TemplateError("range(): the step is 0");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  spendRange(count);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** What `dict()` takes: another dict, or pairs. */
function pairs([source]: readonly Value[]): (readonly [Key, Value])[] {
  if (source === undefined) return [];
  if (isDict(source)) return [...source];
  return iterate(source).map((pair) => {
    const [key, value, ...more] = sequence(pair) ?? [];
    if (key === undefined || value === undefined || more.length > 0)
      throw new TemplateError("dict() needs pairs");
    return [keyOf(key), value] as const;
  });
}

function cycler(values: readonly Value[]): Value {
  let at = 0;
  if (values.length === 0) throw new TemplateError("cycler() needs values");
  const next = new Callable("next", () => {
    at += 1;
    return values[(at - 1) % values.length] as Value;
  });
  const reset = new Callable("reset", () => {
    at = 0;
    return none;
  });
  return new Namespace(
    new Map<string, Value>([
      ["next", next],
      ["reset", reset],
    ]),
  );
}

function joiner(by: Value): Value {
  let isUsed = false;
  return new Callable("joiner", () => {
    const made = isUsed ? by : "";
    isUsed = true;
    return made;
  });
}
