"""Goldens of @vlmopt/quant's HQQ, by the hqq library.

    python3 tools/reference/quant_hqq.py        (needs hqq and torch; writes packages/quant/goldens/hqq.json)

Every group is given to the library alone: its early stop looks at the error of all groups it is given.
"""

import json
from pathlib import Path

import torch
from hqq.core.quantize import Quantizer
from quant_inputs import bell


def case(group: int, largest: float, whole: bool) -> dict:
    seed = group + int(whole)
    weights = torch.from_numpy(bell(16 * group, seed)).mul(largest).reshape(16, group)
    zeros, scales, numbers = [], [], []
    for row in weights:
        q, meta = Quantizer.quantize(
            row.reshape(1, group), nbits=4, group_size=group, axis=1, round_zero=whole, bitpack=False, device="cpu"
        )
        zeros.append(meta["zero"].item())
        scales.append(meta["scale"].item())
        numbers.append(q.reshape(-1).to(torch.int64).tolist())
    return {
        "groupSize": group,
        "seed": seed,
        "largest": largest,
        "whole": whole,
        "zeros": zeros,
        "scales": scales,
        "numbers": ["".join(f"{number:x}" for number in row) for row in numbers],
    }


def main() -> None:
    # Weights of about 1 and of about 30: small errors all shrink to nothing, of large ones only outliers remain.
    cases = [case(group, largest, whole) for group in (32, 64, 128) for largest in (1, 64) for whole in (False, True)]
    path = Path(__file__).parents[2] / "packages/quant/goldens/hqq.json"
    path.write_text(json.dumps(cases, indent=1) + "\n")


main()
