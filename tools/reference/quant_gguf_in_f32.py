"""Writes a GGUF file again with every tensor in F32, as the gguf package decodes it.

    python3 tools/reference/quant_gguf_in_f32.py in.gguf out.gguf
        (needs gguf and numpy)
"""

import sys

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter, quants


def main(given: str, target: str) -> None:
    reader = GGUFReader(given)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = 0 if key == "general.file_type" else field.contents()
        is_list = field.types[0] == GGUFValueType.ARRAY
        writer.add_key_value(key, value, field.types[0], sub_type=field.types[-1] if is_list else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(*sys.argv[1:3])
