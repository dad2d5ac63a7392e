"""Logits and greedy tokens of the tiny LLaVA with quantized weights, as transformers computes them in F32 with the weights decoded.

Needs: torch, transformers (see requirements.txt), node and a built vlmopt (pnpm build); engine_models.py beside it.
Run:   python3 tools/reference/engine_quantized.py
Writes packages/engine/goldens/quantized.json.gz

`vlmopt quantize` and `vlmopt dequantize` make the weights; that these are what bitsandbytes and compressed-tensors read is for
quant_bitsandbytes.py and quant_checkpoints.py to show.
"""

import gzip
import json
import subprocess
import tempfile
from pathlib import Path

import transformers

import engine_models as models

SCHEMES = ["int4-g16", "int4-g16-zero", "int4-row-zero", "int8", "nf4", "nf4-dq", "fp4", "gptq-g16-zero", "awq-g16", "nvfp4"]
SOURCE = models.ROOT / "fixtures" / "checkpoints" / "llava"


def vlmopt(*arguments):
    main = models.ROOT / "apps" / "cli" / "dist" / "main.js"
    subprocess.run(["node", main, *arguments], check=True, capture_output=True)


def main():
    goldens = {}
    for scheme in SCHEMES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            vlmopt("quantize", SOURCE, folder / "quantized", "--scheme", scheme, "--preset", "fast")
            vlmopt("dequantize", folder / "quantized", folder / "decoded", "--dtype", "f32")
            goldens[scheme] = models.run("llava", models.CASES["llava"][1], folder / "decoded")
    target = models.ROOT / "packages" / "engine" / "goldens" / "quantized.json.gz"
    target.write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


main()
