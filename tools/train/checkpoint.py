"""The parts of the checkpoint besides its weights: tokenizer, processor, chat template and configuration, as LLaVA 1.5 has them."""

import json
from pathlib import Path
from random import Random

import transformers as tf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from questions import TOPICS, ask
from scenes import SIDE, random_scene

VOCABULARY = 576
PATCH = 14
IMAGE_TOKENS = (SIDE // PATCH) ** 2
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() }}: {% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def _sentences(count: int):
    rng = Random(20)
    topics = list(TOPICS)
    for _ in range(count):
        found = ask(rng, random_scene(rng), rng.choice(topics))
        if found is not None:
            yield f"USER: {found[0]} ASSISTANT: {found[1]}"


def tokenizer() -> tf.PreTrainedTokenizerFast:
    """BPE in the manner of Llama's: a mark stands for each blank, and bytes for characters that were never seen."""
    found = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    found.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    found.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    # Merges stay within a word while they are learned, so that later they need no cutting.
    found.pre_tokenizer = pre_tokenizers.Split(Regex("▁?[A-Za-z]+|▁|[^A-Za-z▁]"), "isolated")
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - 1, special_tokens=["<unk>", "<s>", "</s>", *bytes_])
    found.train_from_iterator(_sentences(20000), trainer)
    # The trainer knows bytes only as special tokens; they are plain ones.
    data = json.loads(found.to_str())
    data["pre_tokenizer"] = None
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    found = Tokenizer.from_str(json.dumps(data))
    found.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    found.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", found.token_to_id("<s>"))])
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=found, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>", model_max_length=512
    )


def processor() -> tf.LlavaProcessor:
    # transformers 5 has the one written with Pillow under a name of its own.
    image_processor = getattr(tf, "CLIPImageProcessorPil", tf.CLIPImageProcessor)
    return tf.LlavaProcessor(
        image_processor=image_processor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer=tokenizer(), patch_size=PATCH, vision_feature_select_strategy="default", image_token="<image>",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    )


def configuration(image_token: int) -> tf.LlavaConfig:
    """7.7 million weights: 1.8 of them see, 5.4 read and write."""
    text = tf.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=384, intermediate_size=640, num_hidden_layers=5, num_attention_heads=8,
        num_key_value_heads=4, head_dim=32, max_position_embeddings=512, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
        pad_token_id=0, tie_word_embeddings=False,
    )
    vision = tf.CLIPVisionConfig(
        hidden_size=192, intermediate_size=768, num_hidden_layers=4, num_attention_heads=6, image_size=SIDE, patch_size=PATCH,
        projection_dim=192,
    )
    return tf.LlavaConfig(
        text_config=text, vision_config=vision, image_token_index=image_token, image_seq_length=IMAGE_TOKENS,
        # All layers see; LLaVA 1.5 leaves out the last one of a tower that was trained for something else.
        vision_feature_layer=-1, vision_feature_select_strategy="default", tie_word_embeddings=False,
    )


def save(model: tf.LlavaForConditionalGeneration, parts: tf.LlavaProcessor, folder: Path) -> None:
    """In f16, with the image processor's settings in both places where versions of transformers look."""
    import torch

    model.generation_config = tf.GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0, max_new_tokens=128)
    model.to(torch.float16).save_pretrained(folder)
    parts.save_pretrained(folder)
    settings = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    settings["image_processor_type"] = "CLIPImageProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def prompt(question: str) -> str:
    """What the chat template makes of a picture and a question."""
    return f"USER: <image>\n{question} ASSISTANT:"
