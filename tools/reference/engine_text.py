"""Prompts as tokens: tiny tokenizers trained here, and what the families' processors of transformers make of questions about pictures.

Needs: torch, torchvision, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_text.py
Writes packages/engine/goldens/text/<family>/ (tokenizer and template) and packages/engine/goldens/text.json
"""

import json
import shutil
from pathlib import Path

import numpy as np
import transformers as tf
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "packages" / "engine" / "goldens" / "text"
CORPUS = [
    "What is in the picture? A red circle and two blue squares.", "How many dogs are there? There are three dogs.",
    "USER: ASSISTANT: Question: Answer: Describe the scene in a sentence.", "naïve café Ünïcödé 你好 🙂 1234",
] * 4
TEXTS = ["What is in the picture?", "How many dogs?  Two spaces,\nand a line.", "naïve 你好 🙂", "x"]

LLAVA = (
    "{% for message in messages %}{{ message['role'].upper() }}: {% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOL = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:{% if message['content'] is string %} {{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def byte_level(special, bos=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=360, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])
    return tokenizer


def sentence_piece(special, bos):
    """As Llama's and Gemma's: blanks are marks, unknown characters fall apart into bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    text = [line.replace(" ", "▁") for line in CORPUS[:3]]
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>", *bytes_]))
    # The bytes are plain tokens, which a trainer only knows as special ones.
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])
    return tokenizer


def fast(tokenizer, **tokens):
    return tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)


def picture(height, width):
    return np.full((height, width, 3), 127, dtype=np.uint8)


def family(name):
    if name == "llava":
        tokenizer = fast(sentence_piece(["<image>"], "<s>"), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
        images = tf.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
        return tf.LlavaProcessor(
            image_processor=images, tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default",
            image_token="<image>", num_additional_image_tokens=1, chat_template=LLAVA,
        )
    if name == "qwen2_vl":
        special = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
        tokenizer = fast(byte_level(special), eos_token="<|im_end|>")
        images = tf.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
        videos = tf.Qwen2VLVideoProcessor()
        return tf.Qwen2VLProcessor(image_processor=images, tokenizer=tokenizer, video_processor=videos, chat_template=CHATML)
    if name == "paligemma":
        tokenizer = fast(sentence_piece(["<image>", "<bos>"], "<bos>"), bos_token="<bos>", eos_token="</s>", unk_token="<unk>")
        images = tf.SiglipImageProcessor(size={"height": 28, "width": 28})
        images.image_seq_length = 4
        return tf.PaliGemmaProcessor(image_processor=images, tokenizer=tokenizer)
    if name == "blip-2":
        tokenizer = fast(byte_level(["</s>", "<image>"], "</s>"), bos_token="</s>", eos_token="</s>")
        images = tf.BlipImageProcessor(size={"height": 28, "width": 28})
        return tf.Blip2Processor(image_processor=images, tokenizer=tokenizer, num_query_tokens=4)
    marks = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    special = ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>", *marks]
    tokenizer = fast(byte_level(special), bos_token="<|im_start|>", eos_token="<end_of_utterance>")
    images = tf.Idefics3ImageProcessor(size={"longest_edge": 84}, max_image_size={"longest_edge": 28})
    return tf.Idefics3Processor(image_processor=images, tokenizer=tokenizer, image_seq_len=4, chat_template=SMOL)


def case(name, processor, text, sizes):
    """One question; where there is a template it goes through that."""
    pictures = [picture(*size) for size in sizes]
    if processor.chat_template is not None:
        content = [*({"type": "image"} for _ in sizes), {"type": "text", "text": text}] if sizes else text
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    elif name == "blip-2":
        prompt = f"Question: {text} Answer:" if sizes else text
    else:
        prompt = text
    bos = processor.tokenizer.bos_token
    special = {} if bos is None or not prompt.startswith(bos) else {"add_special_tokens": False}
    out = processor(text=[prompt], images=[pictures] if sizes else None, **special)
    ids = np.asarray(out["input_ids"])[0].tolist()
    image_id = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>" if name == "qwen2_vl" else "<image>")
    found = {"text": text, "pictures": len(sizes), "ids": ids, "imageTokens": ids.count(image_id)}
    if name == "idefics3" and sizes:
        cut = processor.image_processor([pictures], return_row_col_info=True)
        found["tiles"] = [[int(row), int(column)] for row, column in zip(cut["rows"][0], cut["cols"][0])]
    return found


CASES = {
    "llava": [[], [(40, 30)], [(40, 30), (30, 40)]],
    "qwen2_vl": [[], [(60, 90)]],
    "paligemma": [[(40, 30)]],
    "blip-2": [[], [(40, 30)]],
    "idefics3": [[], [(60, 80)], [(20, 20)]],
}


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    goldens = {}
    for name, pictures in CASES.items():
        processor = family(name)
        folder = FOLDER / name
        processor.tokenizer.save_pretrained(folder)
        if processor.chat_template is not None:
            (folder / "chat_template.jinja").write_text(processor.chat_template)
        for extra in folder.glob("special_tokens_map.json"):
            extra.unlink()
        tokenizer = processor.tokenizer
        image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>" if name == "qwen2_vl" else "<image>")
        goldens[name] = {
            "imageToken": image_token,
            "cases": [case(name, processor, text, sizes) for sizes in pictures for text in TEXTS],
            "plain": [{"text": text, "ids": tokenizer(text).input_ids, "decoded": tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)} for text in TEXTS],
        }
    (ROOT / "packages/engine/goldens/text.json").write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
