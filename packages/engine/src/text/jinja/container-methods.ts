import { TemplateError } from "./template-error.ts";
import { representation } from "./text-of.ts";
import { Callable, type Dict, equal, keyOf, none, Tuple, type Value } from "./values.ts";

/** Methods of `dict`. */
export function dictMethod(dict: Dict, name: string): Callable | undefined {
  switch (name) {
    case "items":
      return new Callable(name, () => [...dict].map((pair) => new Tuple(pair)));
    case "keys":
      return new Callable(name, () => [...dict.keys()]);
    case "values":
      return new Callable(name, () => [...dict.values()]);
    case "copy":
      return new Callable(name, () => dict);
    case "get":
      return new Callable(name, ([key, otherwise_ = none]) => dict.get(keyOf(key ?? none)) ?? otherwise_);
    case "update":
    case "pop":
    case "popitem":
    case "setdefault":
    case "clear":
      return unsafe(name);
    default:
      return undefined;
  }
}

/** Methods of `list` and `tuple`. */
export function listMethod(list: readonly Value[], name: string): Callable | undefined {
  switch (name) {
    case "index":
      return new Callable(name, ([item = none]) => {
        const at = list.findIndex((other) => equal(other, item));
        if (at < 0) throw new TemplateError(`index(): ${representation(item)} is not in the list`);
        return at;
      });
    case "count":
      return new Callable(name, ([item = none]) => list.filter((other) => equal(other, item)).length);
    case "copy":
      return new Callable(name, () => list);
    case "append":
    case "extend":
    case "insert":
    case "pop":
    case "remove":
    case "reverse":
    case "sort":
    case "clear":
      return unsafe(name);
    default:
      return undefined;
  }
}

/** The sandbox of transformers refuses what would change a list or dictionary. */
function unsafe(name: string): Callable {
  return new Callable(name, () => {
    throw new TemplateError(`${name}() would change its list or dict, which chat templates may not`);
  });
}
