"""What llama.cpp's own converter makes of the text models in fixtures/checkpoints: metadata, and the hash of every tensor's bytes in F32.

    python3 tools/reference/quant_gguf_converted.py path/to/llama.cpp
        (needs that checkout's convert_hf_to_gguf.py with its requirements; writes packages/quant/goldens/gguf-converted.json.gz)
"""

import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path

LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP / "gguf-py"), str(LLAMA_CPP)]

import gguf  # noqa: E402
from conversion import get_model_class  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "packages/quant/goldens/gguf-converted.json.gz"
MODELS = ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2"]


def converted(name: str) -> dict:
    folder = ROOT / "fixtures/checkpoints" / name
    config = json.loads((folder / "config.json").read_text())
    kind = get_model_class(config["architectures"][0])
    # The fixtures have no tokenizers.
    kind.set_vocab = lambda self: None
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "model.gguf"
        kind(folder, gguf.LlamaFileType.ALL_F32, path).write()
        reader = gguf.GGUFReader(path)
        metadata = {
            key: [field.types[0].name.lower(), field.contents()]
            for key, field in reader.fields.items()
            if not key.startswith("GGUF.") and field.types[0] != gguf.GGUFValueType.ARRAY
        }
        tensors = {
            tensor.name: [[int(size) for size in reversed(tensor.shape)], hashlib.sha256(tensor.data.tobytes()).hexdigest()]
            for tensor in reader.tensors
        }
        return {"metadata": metadata, "tensors": tensors}


def main() -> None:
    golden = {name: converted(name) for name in MODELS}
    with open(GOLDEN, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as archive:
        archive.write((json.dumps(golden) + "\n").encode())


main()
