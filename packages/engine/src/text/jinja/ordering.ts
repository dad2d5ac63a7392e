import type { CallArguments } from "./call-arguments.ts";
import { TemplateError } from "./template-error.ts";
import { textOf } from "./text-of.ts";
import {
  compare,
  equal,
  isDict,
  iterate,
  none,
  sequence,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";
import { spend } from "./work-limit.ts";

/** An attribute by its path: `a.b`, `0.name`. */
export function attributeOf(value: Value, path: string): Value {
  return path.split(".").reduce<Value>((of, part) => {
    const items = sequence(of);
    const found = isDict(of)
      ? of.get(part)
      : items !== undefined && /^\d+$/.test(part)
        ? items[Number(part)]
        : undefined;
    return found ?? new Undefined(`"${part}" of ${typeName(of)}`);
  }, value);
}

/** What items are compared by: an attribute of them, small letters where case does not matter. */
function keys(args: CallArguments): (item: Value) => Value {
  const attribute = args.or("attribute", none);
  const isSensitive = args.flag("case_sensitive");
  const one = (item: Value): Value => (typeof item === "string" && !isSensitive ? item.toLowerCase() : item);
  if (attribute === none) return one;
  const paths = textOf(attribute).split(",");
  if (paths.length === 1) return (item) => one(attributeOf(item, paths[0] as string));
  return (item) => paths.map((path) => one(attributeOf(item, path)));
}

export function extreme(value: Value, args: CallArguments, sign: -1 | 1): Value {
  const [first, ...rest] = iterate(value);
  if (first === undefined) return new Undefined("an extreme of nothing");
  const key = keys(args);
  return rest.reduce((best, item) => (compare(key(item), key(best)) * sign > 0 ? item : best), first);
}

export function sorted(value: Value, args: CallArguments): Value {
  const key = keys(args);
  const sign = args.flag("reverse") ? -1 : 1;
  const made = iterate(value).map((item) => ({ item, by: key(item) }));
  return made.sort((a, b) => sign * compare(a.by, b.by)).map(({ item }) => item);
}

export function sortedDict(value: Value, args: CallArguments): Value {
  if (!isDict(value)) throw new TemplateError(`"dictsort" needs a dict, not ${typeName(value)}`);
  const by = args.text("by", "key") === "value" ? 1 : 0;
  const sign = args.flag("reverse") ? -1 : 1;
  const key = (item: Value) =>
    typeof item === "string" && !args.flag("case_sensitive") ? item.toLowerCase() : item;
  return [...value].sort((a, b) => sign * compare(key(a[by]), key(b[by]))).map((pair) => new Tuple(pair));
}

export function unique(value: Value, args: CallArguments): Value {
  const key = keys(args);
  const seen: Value[] = [];
  return iterate(value).filter((item) => {
    spend(seen.length / 16);
    const by = key(item);
    if (seen.some((other) => equal(other, by))) return false;
    seen.push(by);
    return true;
  });
}

export function grouped(value: Value, args: CallArguments): Value {
  const path = textOf(args.value("attribute"));
  const isSensitive = args.flag("case_sensitive");
  const of = (item: Value): Value => {
    const found = attributeOf(item, path);
    return found instanceof Undefined ? args.or("default", found) : found;
  };
  const key = (item: Value): Value => (typeof item === "string" && !isSensitive ? item.toLowerCase() : item);
  const ordered = iterate(value)
    .map((item) => ({ item, by: of(item) }))
    .sort((a, b) => compare(key(a.by), key(b.by)));
  const groups: { readonly by: Value; readonly items: Value[] }[] = [];
  for (const { item, by } of ordered) {
    const last = groups.at(-1);
    if (last !== undefined && equal(key(last.by), key(by))) last.items.push(item);
    else groups.push({ by, items: [item] });
  }
  return groups.map(({ by, items: members }) => new Tuple([by, members]));
}
