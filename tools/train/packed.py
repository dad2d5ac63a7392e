"""Training data without end: pictures, each with as many questions and answers as fit into a row of tokens.

A row is the prompt's beginning with the picture, which all questions share, and then one segment for each question with its answer.
Segments do not see each other and count their positions from the picture on, so each is learned as if it stood there alone.
"""

from random import Random

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from checkpoint import prompt
from questions import WEIGHTS, ask
from scenes import random_scene, render

ROW_TOKENS = 384
IGNORED = -100


def encode(tokenizer, question: str, answer: str) -> tuple[list[int], list[int], list[int]]:
    """Tokens up to the picture's, tokens of the question after it, tokens of the answer."""
    asked = tokenizer(prompt(question)).input_ids
    both = tokenizer(f"{prompt(question)} {answer}").input_ids
    assert both[: len(asked)] == asked, question
    image = asked.index(tokenizer.convert_tokens_to_ids("<image>"))
    return asked[: image + 1], asked[image + 1 :], [*both[len(asked) :], tokenizer.eos_token_id]


class PackedQuestions(IterableDataset):
    """Batches of `pixels [n, side, side, 3]`, and `ids`, `labels`, `positions`, `segments`, each `[n, ROW_TOKENS]`."""

    def __init__(self, tokenizer, image_tokens: int, batch: int, seed: int):
        self.tokenizer, self.image_tokens, self.batch, self.seed = tokenizer, image_tokens, batch, seed

    def __iter__(self):
        worker = get_worker_info()
        rng = Random(self.seed * 1000 + (worker.id if worker else 0))
        torch.set_num_threads(1)
        while True:
            rows = [self.row(rng) for _ in range(self.batch)]
            yield tuple(torch.from_numpy(np.stack(part)) for part in zip(*rows))

    def row(self, rng: Random):
        scene = random_scene(rng)
        pixels = np.asarray(render(scene, rng))
        ids, labels, positions, segments = (np.full(ROW_TOKENS, fill, np.int64) for fill in (0, IGNORED, 0, -1))
        asked, used, segment = set(), 0, 0
        topics, weights = list(WEIGHTS), list(WEIGHTS.values())
        while True:
            found = ask(rng, scene, rng.choices(topics, weights)[0])
            if found is None or found in asked:
                continue
            asked.add(found)
            head, question, answer = encode(self.tokenizer, *found)
            if used == 0:
                head = [*head[:-1], *[head[-1]] * self.image_tokens]
                used = shared = len(head)
                ids[:used], positions[:used], segments[:used] = head, np.arange(used), 0
            end = used + len(question) + len(answer)
            if end > ROW_TOKENS:
                return pixels, ids, labels, positions, segments
            segment += 1
            ids[used:end] = question + answer
            positions[used:end] = np.arange(shared, shared + end - used)
            segments[used:end] = segment
            # The token before foretells.
            labels[used + len(question) - 1 : end - 1] = answer
            used = end
