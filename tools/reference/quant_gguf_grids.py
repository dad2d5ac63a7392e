"""The tables behind ggml's IQ1, IQ2 and IQ3 types, taken from the gguf package (MIT licence) as it packs them.

    python3 tools/reference/quant_gguf_grids.py
        (needs gguf; writes packages/quant/src/gguf/ggml-grids.ts)
"""

import base64
from pathlib import Path

from gguf import quants

TARGET = Path(__file__).parents[2] / "packages/quant/src/gguf/ggml-grids.ts"
TABLES = {"IQ2_XXS": "iq2xxs", "IQ2_XS": "iq2xs", "IQ2_S": "iq2s", "IQ3_XXS": "iq3xxs", "IQ3_S": "iq3s", "IQ1_S": "iq1s"}


def main() -> None:
    lines = [
        "// By tools/reference/quant_gguf_grids.py, from the gguf package of llama.cpp: MIT licence, © 2023-2026 The ggml authors.",
        "",
        "/** Entries of each table, and in base64 the numbers of their values in `values`, from the low bits of each byte on. */",
        "export const ggmlGrids = {",
    ]
    for name, key in TABLES.items():
        table = getattr(quants, name)
        packed = base64.b64encode(bytes.fromhex(table.grid_hex.decode())).decode()
        width = 8 // (8 // (len(table.grid_map) - 1).bit_length())
        values = ", ".join(str(value) for value in table.grid_map)
        lines += [
            f"  {key}: {{",
            f"    values: [{values}],",
            f"    bits: {width},",
            f"    perEntry: {table.grid_shape[1]},",
            f'    packed:\n      "{packed}",',
            "  },",
        ]
    TARGET.write_text("\n".join([*lines, "} as const;", ""]))


main()
