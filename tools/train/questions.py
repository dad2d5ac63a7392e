"""Questions about a scene, with the one answer that the picture and the question's wording determine.

Each way of asking has its own way of answering, so that comparing an answer with the reference word for word is fair. Answers are balanced
within a topic as far as scenes allow: counts are drawn evenly, yes and no come equally often.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from scenes import COLOURS, GRID, RADII, SHAPES, Scene, Thing

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
PLACES = (
    ("in the top left corner", "at the top", "in the top right corner"),
    ("on the left side", "in the centre", "on the right side"),
    ("in the bottom left corner", "at the bottom", "in the bottom right corner"),
)
ROWS = ("top", "middle", "bottom")

QuestionAnswer = tuple[str, str]

# What is asked for: size, colour, shape, each None where it does not matter.
Kind = tuple[str | None, str | None, str | None]


def matches(thing: Thing, kind: Kind) -> bool:
    return all(want is None or want == has for want, has in zip(kind, (thing.size, thing.colour, thing.shape)))


def number_of(scene: Scene, kind: Kind) -> int:
    return sum(matches(thing, kind) for thing in scene.things)


def singular(kind: Kind) -> str:
    size, colour, shape = kind
    return " ".join(word for word in (size, colour, shape or "object") if word)


def plural(kind: Kind) -> str:
    name = singular(kind)
    return name + ("es" if name.endswith("cross") else "s")


def counted(number: int, kind: Kind) -> str:
    return f"{NUMBERS[number]} {singular(kind) if number == 1 else plural(kind)}"


def an(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def whole(thing: Thing) -> Kind:
    return (thing.size, thing.colour, thing.shape)


def place(thing: Thing) -> str:
    return PLACES[thing.row][thing.column]


def joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def random_kind(rng: Random, thing: Thing) -> Kind:
    """A way to name a thing, by one to three of its properties."""
    uses = rng.choice([(0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (1, 0, 0), (1, 1, 0)])
    return tuple(value if use else None for use, value in zip(uses, whole(thing)))


def absent_kind(rng: Random, scene: Scene) -> Kind | None:
    """What is not in the scene; mostly what its things have apart, but no thing together."""
    for _ in range(12):
        near = rng.random() < 0.7
        colour = rng.choice(scene.things).colour if near else rng.choice(list(COLOURS))
        shape = rng.choice(scene.things).shape if near else rng.choice(SHAPES)
        use = rng.random()
        if use < 0.5:
            kind = (None, colour, shape)
        elif use < 0.7:
            kind = (None, None, shape)
        elif use < 0.85:
            kind = (None, colour, None)
        else:
            kind = (rng.choice(list(RADII)), None, shape)
        if number_of(scene, kind) == 0:
            return kind
    return None


def unique_kind(rng: Random, scene: Scene, thing: Thing, without: int | None = None) -> Kind | None:
    """A name that fits this thing alone, not using the property `without` (0 size, 1 colour, 2 shape)."""
    options = []
    for uses in [(0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1)]:
        if without is not None and uses[without]:
            continue
        kind = tuple(value if use else None for use, value in zip(uses, whole(thing)))
        if number_of(scene, kind) == 1:
            options.append(kind)
    return rng.choice(options) if options else None


def named_things(rng: Random, scene: Scene, wanted: int, without: int | None = None) -> list[tuple[Thing, str]] | None:
    """Different things, each with a name that fits it alone."""
    found = []
    for thing in rng.sample(scene.things, len(scene.things)):
        kind = unique_kind(rng, scene, thing, without)
        if kind is not None:
            found.append((thing, singular(kind)))
        if len(found) == wanted:
            return found
    return None


def counting(rng: Random, scene: Scene) -> QuestionAnswer | None:
    # A number first, then something that there is this many times.
    kinds: dict[int, list[Kind]] = {}
    for thing in scene.things:
        for _ in range(3):
            kind = random_kind(rng, thing)
            kinds.setdefault(number_of(scene, kind), []).append(kind)
    kinds.setdefault(len(scene.things), []).append((None, None, None))
    nothing = absent_kind(rng, scene)
    if nothing:
        kinds[0] = [nothing]
    number = rng.choice(sorted(kinds))
    kind = rng.choice(kinds[number])
    many, found = plural(kind), counted(number, kind)
    return rng.choice([
        (f"How many {many} are there?", f"There {'is' if number == 1 else 'are'} {found}."),
        (f"How many {many} can you see?", f"I can see {found}."),
        (f"Count the {many} in the picture.", f"The picture has {found}."),
        (f"How many {many} does the picture show?", f"The picture shows {found}."),
        (f"What is the number of {many}?", f"The number of {many} is {'zero' if number == 0 else NUMBERS[number]}."),
    ])


def colour(rng: Random, scene: Scene) -> QuestionAnswer | None:
    if rng.random() < 0.1:
        return "What colour is the background?", f"The background is {scene.background}."
    if rng.random() < 0.4:
        thing = rng.choice(scene.things)
        where = place(thing)
        return rng.choice([
            (f"What colour is the object {where}?", f"The object {where} is {thing.colour}."),
            (f"Which colour do you see {where}?", f"I see {thing.colour} {where}."),
        ])
    found = named_things(rng, scene, 1, without=1)
    if found is None:
        return None
    (thing, name), = found
    return rng.choice([
        (f"What colour is the {name}?", f"The {name} is {thing.colour}."),
        (f"Which colour does the {name} have?", f"The {name} has the colour {thing.colour}."),
        (f"Name the colour of the {name}.", f"Its colour is {thing.colour}."),
    ])


def shape(rng: Random, scene: Scene) -> QuestionAnswer | None:
    if rng.random() < 0.5:
        thing = rng.choice(scene.things)
        where = place(thing)
        return rng.choice([
            (f"What shape is the object {where}?", f"The object {where} is {an(thing.shape)}."),
            (f"Which shape do you see {where}?", f"I see {an(thing.shape)} {where}."),
            (f"What is {where}?", f"There is {an(singular(whole(thing)))} {where}."),
        ])
    found = named_things(rng, scene, 1, without=2)
    if found is None:
        return None
    (thing, name), = found
    return rng.choice([
        (f"What shape is the {name}?", f"The {name} is {an(thing.shape)}."),
        (f"Which shape does the {name} have?", f"The {name} has the shape of {an(thing.shape)}."),
        (f"What kind of shape is the {name}?", f"It is {an(thing.shape)}."),
    ])


def position(rng: Random, scene: Scene) -> QuestionAnswer | None:
    found = named_things(rng, scene, 1)
    if found is None:
        return None
    (thing, name), = found
    where = place(thing)
    return rng.choice([
        (f"Where is the {name}?", f"The {name} is {where}."),
        (f"In which part of the picture is the {name}?", f"The {name} can be found {where}."),
        (f"Can you find the {name}?", f"Yes, the {name} is {where} of the picture."),
        (f"Tell me the place of the {name}.", f"It is {where}."),
    ])


def size(rng: Random, scene: Scene) -> QuestionAnswer | None:
    if rng.random() < 0.3:
        # Size and something else, so that a guess is seldom right.
        thing = rng.choice(scene.things)
        where = place(thing)
        return f"How big is the object {where}, and what is it?", f"It is {an(thing.size)} {thing.shape}."
    found = named_things(rng, scene, 1, without=0)
    if found is None:
        return None
    (thing, name), = found
    return rng.choice([
        (f"Is the {name} large or small?", f"The {name} is {thing.size}."),
        (f"How big is the {name}?", f"It is {an(thing.size)} {thing.shape}."),
        (f"What size does the {name} have?", f"The {name} is {thing.size} in size."),
    ])


def comparison(rng: Random, scene: Scene) -> QuestionAnswer | None:
    if rng.random() < 0.4:
        return _compare_things(rng, scene)
    by = rng.choice([1, 2, 2])
    one, other = rng.sample(scene.things, 2)
    pair = []
    for thing in (one, other):
        kind: list[str | None] = [None, None, None]
        kind[by] = whole(thing)[by]
        pair.append(tuple(kind))
    a, b = pair
    if a == b:
        return None
    m, n = number_of(scene, a), number_of(scene, b)
    first, second = plural(a), plural(b)
    # Ties are frequent in small scenes.
    if m == n and rng.random() < 0.5:
        return None
    asked = rng.randrange(3)
    if asked == 0:
        question = f"Are there more {first} than {second}?"
        if m == n:
            return question, f"No, there are as many {first} as {second}: {NUMBERS[m]} of each."
        counts = f"{NUMBERS[m]} against {NUMBERS[n]}"
        return question, f"{'Yes' if m > n else 'No'}, there are {'more' if m > n else 'fewer'} {first} than {second}: {counts}."
    if asked == 1:
        question = f"Which are more frequent, {first} or {second}?"
        if m == n:
            return question, f"The {first} and the {second} are equally frequent."
        return question, f"The {first if m > n else second} are more frequent than the {second if m > n else first}."
    question = f"Compare the number of {first} with the number of {second}."
    if m == n:
        return question, f"There are as many {first} as {second}."
    return question, f"There are {'more' if m > n else 'fewer'} {first} than {second}, by {NUMBERS[abs(m - n)]}."


def _compare_things(rng: Random, scene: Scene) -> QuestionAnswer | None:
    if rng.random() < 0.5:
        found = named_things(rng, scene, 2, without=0)
        if found is None:
            return None
        (one, a), (other, b) = found
        if one.size == other.size:
            return f"Is the {a} bigger than the {b}?", f"No, both are {one.size}."
        bigger = one.size == "large"
        return f"Is the {a} bigger than the {b}?", f"{'Yes' if bigger else 'No'}, the {a} is {'bigger' if bigger else 'smaller'} than the {b}."
    found = named_things(rng, scene, 2, without=1)
    if found is None:
        return None
    (one, a), (other, b) = found
    question = f"Do the {a} and the {b} have the same colour?"
    if one.colour == other.colour:
        return question, f"Yes, both are {one.colour}."
    return question, f"No, the {a} is {one.colour} and the {b} is {other.colour}."


def relation(rng: Random, scene: Scene) -> QuestionAnswer | None:
    found = named_things(rng, scene, 2)
    if found is None:
        return None
    (one, a), (other, b) = found
    if rng.random() < 0.4:
        return _neighbour(rng, scene, one, a)
    sideways = rng.random() < 0.5
    difference = one.column - other.column if sideways else one.row - other.row
    if difference == 0:
        return None
    before, after = ("to the left of", "to the right of") if sideways else ("above", "below")
    true = before if difference < 0 else after
    if rng.random() < 0.3:
        question = f"Is the {a} {before} or {after} the {b}?"
        return question, f"The {a} is {true} the {b}."
    claim = rng.choice([before, after])
    return f"Is the {a} {claim} the {b}?", f"{'Yes' if claim == true else 'No'}, the {a} is {true} the {b}."


def _neighbour(rng: Random, scene: Scene, thing: Thing, name: str) -> QuestionAnswer | None:
    words, down, right = rng.choice([("to the right of", 0, 1), ("to the left of", 0, -1), ("above", -1, 0), ("below", 1, 0)])
    row, column = thing.row + down, thing.column + right
    if not (0 <= row < GRID and 0 <= column < GRID):
        return None
    next_to = [other for other in scene.things if (other.row, other.column) == (row, column)]
    if not next_to and rng.random() < 0.7:
        return None
    what = an(singular(whole(next_to[0]))) if next_to else "nothing"
    return f"What is directly {words} the {name}?", f"Directly {words} the {name} is {what}."


def existence(rng: Random, scene: Scene) -> QuestionAnswer | None:
    kind = random_kind(rng, rng.choice(scene.things)) if rng.random() < 0.5 else absent_kind(rng, scene)
    if kind is None:
        return None
    number = number_of(scene, kind)
    one, many, found = singular(kind), plural(kind), counted(number, kind)
    asked = rng.randrange(3)
    if asked == 0:
        return f"Is there {an(one)}?", f"No, there is no {one}." if number == 0 else f"Yes, there {'is' if number == 1 else 'are'} {found}."
    if asked == 1:
        return f"Do you see any {many}?", f"No, I do not see any {many}." if number == 0 else f"Yes, I see {found}."
    question = f"Does the picture contain {an(one)}?"
    return question, f"No, the picture does not contain {an(one)}." if number == 0 else f"Yes, the picture contains {found}."


def description(rng: Random, scene: Scene) -> QuestionAnswer | None:
    asked = rng.randrange(5)
    things = scene.things
    if asked == 0 and len(things) <= 5:
        listed = joined([f"{an(singular(whole(thing)))} {place(thing)}" for thing in things])
        return "Describe the picture.", f"The picture shows {NUMBERS[len(things)]} objects on a {scene.background} background: {listed}."
    if asked == 1:
        rows = []
        for row in range(GRID):
            here = [an(singular((None, thing.colour, thing.shape))) for thing in things if thing.row == row]
            if here:
                rows.append(f"In the {ROWS[row]} row I see {joined(here)}.")
        return "What do you see in each row?", " ".join(rows)
    if asked == 2:
        counts = Counter(thing.shape for thing in things)
        listed = joined([counted(counts[shape], (None, None, shape)) for shape in SHAPES if shape in counts])
        return "Which shapes are in the picture?", f"On a {scene.background} background there {'is' if listed.startswith('one') else 'are'} {listed}."
    if asked == 3:
        used = {thing.colour for thing in things}
        listed = [name for name in COLOURS if name in used]
        if len(listed) == 1:
            return "Which colours do the objects have?", f"All objects are {listed[0]}."
        return "Which colours do the objects have?", f"The colours of the objects are {joined(listed)}."
    row = rng.randrange(GRID)
    here = [an(singular(whole(thing))) for thing in things if thing.row == row]
    return f"Describe the {ROWS[row]} row.", f"The {ROWS[row]} row contains {joined(here) if here else 'nothing'}."


TOPICS: dict[str, Callable[[Random, Scene], QuestionAnswer | None]] = {
    "counting": counting,
    "colour": colour,
    "shape": shape,
    "position": position,
    "size": size,
    "comparison": comparison,
    "relation": relation,
    "existence": existence,
    "description": description,
}

# Descriptions have most to tell about a picture, and comparisons are hardest.
WEIGHTS = {topic: 2 if topic in ("description", "comparison", "relation", "counting") else 1 for topic in TOPICS}


def ask(rng: Random, scene: Scene, topic: str) -> QuestionAnswer | None:
    """A question of a topic; None where the scene has nothing that fits."""
    for _ in range(6):
        found = TOPICS[topic](rng, scene)
        if found is not None:
            return found
    return None
