"""Tiny random text encoders of every kind, and their hidden states after each layer by transformers in F32.

Needs: torch, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_encoders.py
Writes fixtures/encoders/<name>/ and packages/engine/goldens/encoders.json.gz
"""

import gzip
import json
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [[2, 5, 7, 9, 11, 4, 3], [2, 60, 3], [2, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 3]]
SIZES = dict(vocab_size=96, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=56, max_position_embeddings=40)


def models():
    yield "bert", transformers.BertModel(transformers.BertConfig(**SIZES))
    yield "roberta", transformers.RobertaModel(transformers.RobertaConfig(**SIZES, layer_norm_eps=1e-5, pad_token_id=1, type_vocab_size=1))
    yield "distilbert", transformers.DistilBertModel(
        transformers.DistilBertConfig(vocab_size=96, dim=32, n_layers=3, n_heads=4, hidden_dim=56, max_position_embeddings=40)
    )
    # Texts are longer than the distances that are told apart, and the second one's than those that have a row each.
    yield "deberta", transformers.DebertaModel(
        transformers.DebertaConfig(
            **SIZES, relative_attention=True, pos_att_type="c2p|p2c", max_relative_positions=8, position_biased_input=False, type_vocab_size=0
        )
    )
    yield "deberta-v2", transformers.DebertaV2Model(
        transformers.DebertaV2Config(
            **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], max_relative_positions=-1, position_buckets=6,
            share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0,
        )
    )
    # With what the others leave out: positions of their own, types, an embedding of another width, own projections of distances.
    yield "deberta-v2-own", transformers.DebertaV2Model(
        transformers.DebertaV2Config(
            **SIZES, relative_attention=True, pos_att_type=["c2p"], max_relative_positions=9, embedding_size=24, type_vocab_size=2
        )
    )
    yield "deberta-v2-conv", transformers.DebertaV2Model(
        transformers.DebertaV2Config(
            **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=6, share_att_key=True, conv_kernel_size=3,
            conv_act="gelu", norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0,
        )
    )


def main():
    goldens = {}
    for name, model in models():
        torch.manual_seed(len(name))
        for key, parameter in model.named_parameters():
            # Biases are about 0: what all tokens have in common would make them all alike.
            is_norm = parameter.ndim == 1 and key.endswith("weight")
            parameter.data = torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.2) + (0.8 if is_norm else 0)
        model.eval().save_pretrained(ROOT / "fixtures" / "encoders" / name)
        states = []
        for ids in TEXTS:
            with torch.inference_mode():
                hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
            states.append([[float(f"{x:.7g}") for x in layer.flatten().tolist()] for layer in hidden])
        goldens[name] = states
    target = ROOT / "packages" / "engine" / "goldens" / "encoders.json.gz"
    target.write_bytes(gzip.compress(json.dumps({"texts": TEXTS, "states": goldens}).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


main()
