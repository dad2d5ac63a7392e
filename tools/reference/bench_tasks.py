"""Ten rows of each benchmark in the layout of its hub repository, and what lmms-eval makes of them: prompts, readings, scores. And 500 made answers for
each way to read and score. All content is made here.

Needs: pyarrow, pandas, pillow, PyYAML, and lmms-eval 0.7.3 unpacked (pip download lmms-eval==0.7.3 --no-deps; unzip). Its dependencies are not
       needed: what its task functions do not call is left out.
Run:   python3 tools/reference/bench_tasks.py <folder that holds lmms_eval/>
Writes packages/bench/goldens/tasks/, packages/metrics/goldens/benchmarks.json.gz
"""

import copy
import gzip
import importlib
import io
import json
import random
import shutil
import sys
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROOT = Path(__file__).parents[2]
LMMS = Path(sys.argv[1]) / "lmms_eval"
OUT = ROOT / "packages/bench/goldens/tasks"


class Anything:
    """Stands for whatever lmms-eval imports and the functions here do not use."""

    def __getattr__(self, name):
        return Anything()

    def __call__(self, *args, **kwargs):
        return args[0] if len(args) == 1 and callable(args[0]) else Anything()

    def __or__(self, other):
        return self


def stub(name, **members):
    module = types.ModuleType(name)
    module.__getattr__ = lambda member: members.get(member, Anything())
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)


def package(name, folder):
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


package("lmms_eval", LMMS)
package("lmms_eval.tasks", LMMS / "tasks")
package("lmms_eval.api", LMMS / "api")
package("lmms_eval.filters", LMMS / "filters")
package("lmms_eval.tasks._task_utils", LMMS / "tasks/_task_utils")
sys.modules["lmms_eval.tasks"]._task_utils = sys.modules["lmms_eval.tasks._task_utils"]
for other in ["loguru", "sacrebleu", "requests", "tqdm", "datasets", "lmms_eval.verifiers", "lmms_eval.verifiers.openai"]:
    stub(other)
stub("lmms_eval.tasks._task_utils.file_utils", generate_submission_file=lambda name, args, subpath="": "/dev/null")
stub("lmms_eval.api.registry", register_aggregation=lambda name: lambda f: f, register_metric=lambda **kwargs: lambda f: f)


class Filter:
    def __init__(self, *args, **kwargs):
        pass


stub("lmms_eval.api.filter", Filter=Filter)


def utils(task, name="utils"):
    return importlib.import_module(f"lmms_eval.tasks.{task}.{name}")


gqa, vqav2, textvqa, vizwiz = utils("gqa"), utils("vqav2"), utils("textvqa"), utils("vizwiz_vqa")
pope, mme, scienceqa, seed = utils("pope"), utils("mme"), utils("scienceqa"), utils("seedbench")
mmbench, mmmu, ocrbench, chartqa = utils("mmbench", "en_utils"), utils("mmmu"), utils("ocrbench"), utils("chartqa")
docvqa, ai2d, refcoco = utils("docvqa"), utils("ai2d"), utils("refcoco", "utils_rec")
metrics = importlib.import_module("lmms_eval.api.metrics")
mcq = importlib.import_module("lmms_eval.tasks._task_utils.mmmu_mcq_utils")


def fnv(text):
    number = 0x811C9DC5
    for byte in text.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return number


# Where an answer names no letter, MMMU draws one; so do we, by a hash of the question's id.
asked = {"id": "1"}
mcq.random = types.SimpleNamespace(choice=lambda letters: letters[fnv(asked["id"]) % len(letters)])

SHORT = {"pre_prompt": "", "post_prompt": "\nAnswer the question using a single word or phrase."}
LETTER = {"pre_prompt": "", "post_prompt": "\nAnswer with the option's letter from the given choices directly."}
rng = random.Random(24)


def picture(n, size=(20, 14)):
    image = Image.new("RGB", size, ((37 * n) % 256, (91 * n) % 256, (53 * n + 40) % 256))
    for i in range(4):
        image.putpixel(((n + 3 * i) % size[0], (2 * n + i) % size[1]), (255, 255, 255))
    data = io.BytesIO()
    image.save(data, "JPEG" if n % 2 else "PNG")
    return {"bytes": data.getvalue(), "path": f"{n}.{'jpg' if n % 2 else 'png'}"}


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path, rows, types_of=None):
    types_of = types_of or {}
    names = list(rows[0])
    arrays = [pa.array([row[name] for row in rows], types_of.get(name)) for name in names]
    target = OUT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    # Small row groups: pictures of several must be found.
    pq.write_table(pa.table(arrays, names=names), target, row_group_size=4, compression="snappy", write_statistics=False)


def first_of(results):
    """The number under exact_match, as lmms-eval takes it without process_results."""
    return float(results["exact_match"])


COLOURS = ["red", "Blue", "light green", "the black one", "white"]
THINGS = ["a dog", "two cats", "Bottle", "a traffic light", "N. 12", "the bench"]
WORDS = ["yes", "No", "no.", "maybe", "Yes, it is", "not sure", *COLOURS, *THINGS]


def letters_said(letter, text, n):
    return [letter, f"{letter}.", f"{letter}. {text}", f"({letter})", f"The answer is {letter}.", text, letter.lower(), f"I think it is ({letter}) {text}.", ""][n % 9]


tasks = {}


def golden(name, rows, prompt, systems, score, reading=None, aggregates=None, ids=None):
    """Prompts, and for each system's answers readings, scores and aggregates."""
    found = {"prompts": [prompt(copy.deepcopy(row)) for row in rows], "systems": []}
    if ids:
        found["ids"] = [str(i) for i in ids]
    for answers in systems:
        results = [score(copy.deepcopy(row), answer) for row, answer in zip(rows, answers)]
        found["systems"].append({
            "answers": answers,
            "readings": [reading(row, answer) for row, answer in zip(rows, answers)] if reading else None,
            "scores": [result["score"] for result in results],
            "aggregate": aggregates([result["raw"] for result in results]) if aggregates else {"": sum(r["score"] for r in results) / len(results)},
        })
    tasks[name] = found


def plain(value):
    return {"score": float(value), "raw": value}


def make_gqa():
    rows = [{"id": f"2016{i:04d}", "imageId": f"n{100 + i // 2}", "question": f"Which colour has object {i}, to the left of the door?", "answer": ["red", "blue", "light green", "yes", "no"][i % 5]} for i in range(10)]
    write("gqa/testdev_balanced_instructions/testdev-00000-of-00001.parquet", rows)
    write("gqa/testdev_balanced_images/testdev-00000-of-00001.parquet", [{"id": f"n{100 + i}", "image": picture(i)} for i in range(5)], {"image": IMAGE})
    answers = [[["Red", "blue.", "light-green", "Yes!", "yes"][i % 5] for i in range(10)], ["red"] * 10]
    golden("gqa", rows, lambda row: gqa.gqa_doc_to_text(row, SHORT), answers,
           lambda row, text: plain(metrics.exact_match_hf_evaluate(predictions=[text.strip()], references=[row["answer"]], ignore_case=True, ignore_punctuation=True)["exact_match"]), ids=[r["id"] for r in rows])


def people(i):
    few = [["yes", "Yes", "no"], ["2", "two", "3"], ["a dog", "dog", "cat"], ["1,000", "1000", "don't know"], ["red car", "the red car", "car"]][i % 5]
    return [few[(i + k * k) % 3] for k in range(10)]


def make_vqav2():
    rows = [{"question_type": "what", "multiple_choice_answer": people(i)[0], "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": k + 1} for k, a in enumerate(people(i))],
             "image_id": 9 + i, "answer_type": "other", "question_id": 9000 + i, "question": f"What is number {i}?", "image": picture(i)} for i in range(10)]
    write("vqav2/data/validation-00000-of-00002.parquet", rows[:6], {"image": IMAGE})
    write("vqav2/data/validation-00001-of-00002.parquet", rows[6:], {"image": IMAGE})
    systems = [[people(i)[3] for i in range(10)], ["Two" if i % 5 == 1 else "the dog!" for i in range(10)]]
    golden("vqav2", rows, lambda row: vqav2.vqav2_doc_to_text(row, SHORT), systems, lambda row, text: plain(vqav2.vqav2_process_results_val(row, [text.strip()])["exact_match"]), ids=[r["question_id"] for r in rows])
    folder = OUT / "vqav2-authors"
    folder.mkdir(parents=True)
    (folder / "v2_OpenEnded_mscoco_val2014_questions.json").write_text(json.dumps({"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {}, "data_subtype": "val2014",
        "questions": [{key: row[key] for key in ["image_id", "question", "question_id"]} for row in rows]}))
    (folder / "v2_mscoco_val2014_annotations.json").write_text(json.dumps({"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": "val2014",
        "annotations": [{key: row[key] for key in ["question_type", "multiple_choice_answer", "answers", "image_id", "answer_type", "question_id"]} for row in reversed(rows)]}))
    (folder / "val2014").mkdir()
    for i, row in enumerate(rows):
        (folder / f"val2014/COCO_val2014_{row['image_id']:012d}.jpg").write_bytes(picture(2 * i + 1)["bytes"])


def make_textvqa():
    rows = [{"image_id": f"img{i}", "question_id": 34602 + i, "question": f"what Brand is shown on sign {i}?", "question_tokens": ["what"], "image": picture(i), "image_width": 20, "image_height": 14,
             "flickr_original_url": "", "flickr_300k_url": "", "answers": people(i), "image_classes": ["Sign"], "set_name": "val", "ocr_tokens": [] if i == 4 else ["STOP", f"No.{i}"]} for i in range(10)]
    write("textvqa/data/validation-00000-of-00001.parquet", rows, {"image": IMAGE, "ocr_tokens": pa.list_(pa.string())})
    systems = [[people(i)[2].upper() for i in range(10)], ["dogs."] * 10]
    golden("textvqa", rows, lambda row: textvqa.textvqa_doc_to_text(row, {**SHORT, "ocr": False}), systems, lambda row, text: plain(textvqa.textvqa_process_results(row, [text.strip()])["exact_match"]), ids=[r["question_id"] for r in rows])
    tasks["textvqa"]["withOcr"] = [textvqa.textvqa_doc_to_text({**row, "question": row["question"]}, {**SHORT, "ocr": bool(row["ocr_tokens"])}) for row in rows]
    folder = OUT / "textvqa-authors"
    (folder / "train_images").mkdir(parents=True)
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"dataset_type": "val", "dataset_name": "textvqa", "dataset_version": "0.5.1",
        "data": [{key: value for key, value in row.items() if key not in ["image", "ocr_tokens"]} for row in rows]}))
    for i, row in enumerate(rows):
        (folder / f"train_images/{row['image_id']}.jpg").write_bytes(picture(2 * i + 1)["bytes"])


def make_vizwiz():
    rows = [{"question_id": f"VizWiz_val_{i:08d}.jpg", "image": picture(i), "question": f"Can you tell me what Can {i} holds? Thanks", "answers": ["unanswerable"] * 4 + people(i)[:6] if i % 2 else people(i), "category": ["other", "unanswerable", "yes/no"][i % 3]} for i in range(10)]
    write("vizwiz/data/val-00000-of-00001.parquet", rows, {"image": IMAGE})
    systems = [["Unanswerable"] * 10, [people(i)[1] for i in range(10)]]
    kwargs = {"pre_prompt": "", "post_prompt": "\nWhen the provided information is insufficient, respond with 'Unanswerable'.\nAnswer the question using a single word or phrase."}
    golden("vizwiz", rows, lambda row: vizwiz.vizwiz_vqa_doc_to_text(row, kwargs), systems, lambda row, text: plain(vizwiz.vizwiz_vqa_process_results(row, [text.strip()])["exact_match"]), ids=[r["question_id"] for r in rows])


def make_pope():
    rows = [{"id": str(i), "question_id": str(i % 6), "question": f"Is there a thing {i} in the image? ", "answer": "yes" if i % 3 else "no", "image_source": f"COCO_val2014_{i:012d}", "image": picture(i), "category": ["random", "popular", "adversarial"][i % 3]} for i in range(10)]
    write("pope/data/test-00000-of-00001-0a1b2c3d.parquet", rows, {"image": IMAGE})
    # Another configuration, which is not asked.
    write("pope/Full/adversarial-00000-of-00001.parquet", rows[:2], {"image": IMAGE})
    systems = [[["Yes", "no", "yes.", " No ", "Yes, there is"][i % 5] for i in range(10)], ["yes"] * 10, ["none"] * 10]
    def aggregate(raw):
        return {"pope-accuracy": pope.pope_aggregate_accuracy(raw), "pope-precision": pope.pope_aggregate_precision(raw), "pope-recall": pope.pope_aggregate_recall(raw),
                "pope-f1": pope.pope_aggregate_f1_score(raw), "pope-yes-references": pope.pope_aggregate_yes_ratio(raw)}
    def score(row, text):
        raw = pope.pope_process_results(row, [text.strip()])["pope_accuracy"]
        return {"score": raw["score"], "raw": raw}
    golden("pope", rows, lambda row: pope.pope_doc_to_text(row, SHORT), systems, score, lambda row, text: score(row, text)["raw"]["prediction"], aggregate)


def make_mme():
    categories = ["existence", "count", "code_reasoning", "OCR", "posters"]
    rows = [{"question_id": f"{categories[i % 5]}/{i % 5:04d}.png", "image": picture(i % 5), "question": f"Is sentence {i} right? Please answer yes or no.", "answer": "Yes" if i < 5 else "No", "category": categories[i % 5]} for i in range(10)]
    write("mme/data/test-00000-of-00001.parquet", rows, {"image": IMAGE})
    systems = [[["Yes", "Yes.", "y", "It is", "Yes, it does"][i % 5] if i < 5 else ["No", "Yes", "no way", "Nope", "N"][i % 5] for i in range(10)], ["Yes"] * 10]
    def score(row, text):
        [(key, raw)] = mme.mme_process_results(row, [text.strip()]).items()
        return {"score": raw["score"], "raw": (key, raw)}
    def aggregate(raw):
        return {figure: mme.mme_aggregate_results([r for key, r in raw if key == name]) for name, figure in [("mme_perception_score", "mme-perception"), ("mme_cognition_score", "mme-cognition")]}
    golden("mme", rows, lambda row: mme.mme_doc_to_text(row, SHORT), systems, score, lambda row, text: mme.parse_pred_ans(text.strip()), aggregate)


def make_scienceqa():
    rows = [{"image": picture(i), "question": f"Which of these  is number {i}?", "choices": [f"thing {i}{c}" for c in "abcd"[: 2 + i % 3]], "answer": i % 2, "hint": "" if i % 3 else f"Look at the map {i}.\nIt is old.", "task": "closed choice", "grade": "grade5",
             "subject": ["natural science", "social science", "language science"][i % 3], "topic": "geo", "category": "Maps", "skill": "Read", "lecture": "", "solution": ""} for i in range(10)]
    write("scienceqa/ScienceQA-IMG/test-00000-of-00001.parquet", rows, {"image": IMAGE})
    write("scienceqa/ScienceQA-FULL/test-00000-of-00001.parquet", rows[:3], {"image": IMAGE})
    systems = [[letters_said("AB"[row["answer"]], row["choices"][row["answer"]], i) for i, row in enumerate(rows)], ["A. "] * 10, ["B"] * 10]
    golden("scienceqa", rows, lambda row: scienceqa.sqa_doc_to_text(row, {"format": "default", **LETTER}), systems, lambda row, text: plain(scienceqa.sqa_process_results(row, [text.strip()])["exact_match"]))


def make_seedbench():
    rows = [{"answer": "ABCD"[i % 4], **{f"choice_{c}": f"choice {c} of {i}" for c in "abcd"}, "data_id": f"{i}_1", "data_type": "video" if i in (3, 7) else "image", "question": f"What is behind {i}?", "question_id": str(100 + i),
             "question_type_id": 1 + i % 9, "image": [picture(i)] if i % 4 else [picture(i), picture(i + 1)], "segment": []} for i in range(12)]
    write("seedbench/data/test-00000-of-00001.parquet", rows, {"image": pa.list_(IMAGE), "segment": pa.list_(pa.int64())})
    rows = [row for row in rows if row["data_type"] == "image"]
    systems = [[letters_said(row["answer"], "choice", i) for i, row in enumerate(rows)], ["A"] * 10]
    def score(row, text):
        raw = seed.seed_process_result(row, [text.strip()])["seed_all"]
        return {"score": seed.seed_aggregation_result([raw]), "raw": raw}
    golden("seedbench", rows, seed.seed_doc_to_text, systems, score, lambda row, text: score(row, text)["raw"]["pred"], lambda raw: {"letter-match": seed.seed_aggregation_result(raw)}, ids=[r["question_id"] for r in rows])


def make_mmbench():
    rows = []
    for i in range(4):
        choices = [f"object {i}{c}" for c in "abcd"[: 2 + i % 3]]
        for turn in range(len(choices) if i < 3 else 1):
            turned = choices[turn:] + choices[:turn]
            rows.append({"index": i + 1000000 * turn, "question": f"What is {i}?", "hint": f"There are {i} objects." if i % 2 else "nan", "answer": "ABCD"[turned.index(choices[1])], **{c: turned[n] if n < len(turned) else "nan" for n, c in enumerate("ABCD")},
                         "category": ["logic", "colour"][i % 2], "image": picture(i), "source": "made", "L2-category": "perception", "comment": "nan", "split": "dev"})
    write("mmbench/en/dev-00000-of-00001.parquet", rows, {"image": IMAGE})
    write("mmbench/cn/dev-00000-of-00001.parquet", rows[:2], {"image": IMAGE})
    def right(row):
        return row["answer"], row[row["answer"]]
    forms = [lambda l, t: l, lambda l, t: f"{l}.", lambda l, t: f"{l}. {t}", lambda l, t: f"({l})", lambda l, t: f"It is the {t}", lambda l, t: f"The answer is {l}, surely"]
    systems = [[forms[n % 6](*right(row)) for n, row in enumerate(rows)], ["B"] * len(rows), [f"{right(row)[0]}" if row["index"] % 1000000 < 2 else "none of these" for row in rows]]
    evaluator = mmbench.mmbench_evaluator
    def reading(row, text):
        # Missing choices are nan there; the data have the word, which would be found in words that hold it.
        item = {**row, **{c: None if row[c] == "nan" else row[c] for c in "ABCD"}, "prediction": text.strip()}
        found = evaluator.prefetch_answer(item)
        if found:
            return found
        from lmms_eval.tasks._task_utils.mcq_extract import extract_mcq_answer
        return extract_mcq_answer(text.strip(), choices=sorted(evaluator.build_choices(item)))
    def score(row, text):
        raw = mmbench.mmbench_process_results(row, [text])["gpt_eval_score"]
        return {"score": 0, "raw": {**raw, **{c: None if raw[c] == "nan" else raw[c] for c in "ABCD"}}}
    golden("mmbench", rows, lambda row: mmbench.mmbench_doc_to_text(row, LETTER), systems, score, reading, lambda raw: {"circular": float(evaluator.eval_result(raw, "static")[0])}, ids=[r["index"] for r in rows])
    import base64
    import csv
    folder = OUT / "mmbench-authors"
    folder.mkdir(parents=True)
    with open(folder / "mmbench_dev_20230712.tsv", "w", newline="") as file:
        names = ["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "source", "l2-category", "split"]
        file.write("\t".join(names) + "\n")
        for row in rows:
            cells = {**row, "l2-category": row["L2-category"], "image": base64.b64encode(picture(row["index"] % 1000000, (60, 40))["bytes"]).decode() if row["index"] < 1000000 else str(row["index"] % 1000000)}
            cells["question"] = f'What does "{row["index"]}" mean?'
            file.write("\t".join("" if cells[name] == "nan" else str(cells[name]) for name in names) + "\n")


def make_mmmu():
    subjects = ["Art", "Accounting", "Math", "History", "Physics"]
    rows = []
    for i in range(10):
        is_open = i in (2, 7)
        options = [] if is_open else ([f"value '{i}'", f"{i}.5", "None of these"] if i != 5 else ["<image 2>", "<image 3>"])
        rows.append({"id": f"validation_{subjects[i % 5]}_{i}", "question": f"Look at <image 1> first: what is {i}?" + (" Compare <image 2>." if i % 3 == 0 else ""), "options": str(options), "explanation": "", **{f"image_{n}": picture(10 * i + n) if n <= (3 if i == 5 else 2) else None for n in range(1, 8)},
                     "img_type": "['Diagrams']", "answer": ["3.5", "B", "0.25", "a", "A"][i % 5] if is_open else "ABC"[i % 2], "topic_difficulty": "Easy", "question_type": "open" if is_open else "multiple-choice", "subfield": subjects[i % 5]})
    write("mmmu/data/validation-00000-of-00001.parquet", rows, {f"image_{n}": IMAGE for n in range(1, 8)})
    kwargs = {"prompt_type": "format", "multiple_choice_prompt": LETTER["post_prompt"].strip(), "open_ended_prompt": SHORT["post_prompt"].strip()}
    def prompt(row):
        row = {**row, **{f"image_{n}": Image.open(io.BytesIO(row[f"image_{n}"]["bytes"])) if row[f"image_{n}"] else None for n in range(1, 8)}}
        [message] = mmmu.mmmu_doc_to_messages(row, kwargs)
        # Pictures and texts in their order.
        return [part["text"] if part["type"] == "text" else "<image>" for part in message["content"]]
    systems = [[letters_said("ABC"[i % 3], "None of these", i) if row["question_type"] != "open" else ["so the result is 0.25 m", "It is = 1,250.004"][i % 2] for i, row in enumerate(rows)], ["The answer is (B) because (A) is wrong"] * 10, ["0.25"] * 10]
    def score(row, text):
        asked["id"] = row["id"]
        raw = mmmu.mmmu_process_results(row, [text.strip()])["mmmu_acc"]
        return {"score": mmmu.evaluate_mmmu([raw])[1]["acc"], "raw": raw}
    def reading(row, text):
        [parsed] = score(row, text)["raw"]["parsed_pred"]
        return parsed if isinstance(parsed, str) else sorted(parsed, key=str)
    golden("mmmu", rows, prompt, systems, score, reading, lambda raw: {"mmmu": mmmu.mmmu_aggregate_results(raw)}, ids=[r["id"] for r in rows])


def make_ocrbench():
    kinds = list(ocrbench.OCRBench_score)
    rows = [{"dataset": "HME100k" if i % 5 == 4 else "IIIT5K", "question": " what is written in the image? ", "question_type": kinds[i % 10], "answer": [f"x ^ {i}", f"Y{i}"] if i % 5 == 4 else [f"Word{i}", f"ＷＯＲＤ {i}"], "image": picture(i)} for i in range(10)]
    write("ocrbench/data/test-00000-of-00001.parquet", rows, {"image": IMAGE})
    systems = [[f"The text says: WORD{i}!" if i % 5 != 4 else f"x^{i}" for i in range(10)], [f"word　{i}\n" if i % 2 else "nothing" for i in range(10)]]
    def score(row, text):
        raw = ocrbench.ocrbench_process_results(row, [text.strip()])["ocrbench_accuracy"]
        return {"score": raw["score"], "raw": raw}
    def aggregate(raw):
        for kind in kinds:
            ocrbench.OCRBench_score[kind] = 0
        return {"ocrbench": round(1000 * ocrbench.ocrbench_aggregate_accuracy(raw, None))}
    golden("ocrbench", rows, lambda row: ocrbench.ocrbench_doc_to_text(row, {"pre_prompt": "", "post_prompt": ""}), systems, score, None, aggregate)


def make_chartqa():
    rows = [{"type": "human_test" if i % 2 else "augmented_test", "question": f"What is the value of bar {i}?", "answer": ["12.5", "40%", "Blue", "1999", "0"][i % 5], "image": picture(i)} for i in range(10)]
    write("chartqa/data/test-00000-of-00001.parquet", rows, {"image": IMAGE})
    systems = [[["12", "0.41", "blue", "1950", "0"][i % 5] for i in range(10)], [["13.2", "40", "Blue.", "2099", "0.0"][i % 5] for i in range(10)]]
    def aggregate(raw):
        return {"relaxed-accuracy": sum(r["relaxed_overall"] for r in raw) / len(raw)}
    def score(row, text):
        raw = chartqa.chartqa_process_results(row, [text.strip()])
        return {"score": raw["relaxed_overall"], "raw": raw}
    golden("chartqa", rows, lambda row: chartqa.chartqa_doc_to_text(row, {"pre_prompt": "", "post_prompt": "\nAnswer the question with a single word."}), systems, score, None, aggregate)


def make_docvqa():
    rows = [{"questionId": str(49150 + i), "question": f"What is the date on page {i}?", "question_types": ["form"], "image": picture(i), "docId": i, "ucsf_document_id": "x", "ucsf_document_page_no": "1", "answers": [f"June {i + 1}, 1998", f"{i + 1} June"], "data_split": "val"} for i in range(10)]
    write("docvqa/DocVQA/validation-00000-of-00001.parquet", rows, {"image": IMAGE})
    write("docvqa/InfographicVQA/validation-00000-of-00001.parquet", rows[:2], {"image": IMAGE})
    systems = [[f"june  {i + 1} 1998" if i % 2 else f"{i + 2} June" for i in range(10)], ["July"] * 10]
    golden("docvqa", rows, lambda row: docvqa.docvqa_doc_to_text(row, SHORT), systems, lambda row, text: plain(metrics.anls(references=row["answers"], predictions=[text.strip()])["anls"]), ids=[r["questionId"] for r in rows])


def make_ai2d():
    rows = [{"question": f"Which letter shows the {i}?", "options": [f"part {i}{c}" for c in "abcd"], "answer": str(i % 4), "image": picture(i)} for i in range(10)]
    write("ai2d/data/test-00000-of-00001.parquet", rows, {"image": IMAGE})
    systems = [[letters_said("ABCD"[i % 4], f"part {i}", i) for i in range(10)], ["b"] * 10]
    flexible = ai2d.MultiChoiceRegexFilter(regex_pattern="([A-Z])\\.")
    def reading(row, text):
        return flexible.apply([[text]], [row])[0].strip()
    golden("ai2d", rows, lambda row: ai2d.ai2d_doc_to_text(row, {"prompt_format": "mcq", **LETTER}), systems,
           lambda row, text: plain(metrics.exact_match_hf_evaluate(predictions=[reading(row, text)], references=[ai2d.ai2d_doc_to_target(row, "mcq")], ignore_case=True, ignore_punctuation=True)["exact_match"]), reading)


def make_refcoco():
    rows = [{"question_id": str(500 + i), "image": picture(i, (40, 30)), "question": "Please provide a short description for this region.", "answer": [f"the man {i}", f"person on {i}"], "segmentation": [1.0, 2.0], "bbox": [4.0 + i, 3.5, 10.25, 12.0 + i / 2], "iscrowd": 0, "file_name": f"COCO_train2014_{i}_0.jpg"} for i in range(5)]
    write("refcoco/data/val-00000-of-00001.parquet", rows, {"image": IMAGE})
    exploded = []
    for row in rows:
        box = row["bbox"]
        for answer in row["answer"]:
            exploded.append({**row, "answer": answer, "bbox": [box[0] / 40, box[1] / 30, (box[0] + box[2]) / 40, (box[1] + box[3]) / 30]})
    near = [[round(value + (n % 3) * 0.03, 3) for value in row["bbox"]] for n, row in enumerate(exploded)]
    systems = [[f"It is at {box}" for box in near], ["[0.1, 0.1, 0.5, 0.9]", "(0.1, 0.2)", "[1, 2, 3]"] * 3 + ["[0.3,0.2,0.1,0.1]"]]
    names = {"box-iou": "IoU", **{f"box-acc@{t}": f"ACC@{t}" for t in [0.1, 0.3, 0.5, 0.7, 0.9]}, "box-centre": "Center_ACC"}
    def score(row, text):
        raw = refcoco.refcoco_bbox_rec_process_result(row, [text.strip()])["refcoco_IoU"]
        return {"score": float(refcoco.compute_iou(raw["bbox"], raw["pred"])), "raw": raw}
    golden("refcoco", exploded, refcoco.refcoco_bbox_rec_doc_to_text, systems, score, lambda row, text: score(row, text)["raw"]["pred"], lambda raw: {ours: refcoco.refcoco_bbox_rec_aggregation_result(raw, theirs) for ours, theirs in names.items()})


# 500 made answers for each way to read and score.

def made_text():
    kind = rng.randrange(8)
    letter = rng.choice("ABCDEabcd")
    words = " ".join(rng.choice(WORDS + ["The", "answer", "is", "A", "so", "(B)", "C.", "and", "image", "shows", "正解は", "D)"]) for _ in range(rng.randrange(1, 9)))
    number = rng.choice(["12", "3.5", "-4", "1,250", "40%", "1e3", ".5", "5.", "0", "inf", "1_000", "12.25", "0.125", "2.675", "nan"])
    return [letter, f"{letter}.", f"({letter}) {words}", words, f"{words} {letter}", f"{number}", f"so the result is {number} {words}", f" {words}\n{rng.choice(['', 'Thus = ' + number, words])}. "][kind]


def made_cases():
    cases = {}
    def add(name, make):
        cases[name] = [make() for _ in range(500)]

    def yes_no():
        text = rng.choice([made_text(), "yes", "Yes.", "no", "No, there is not.", "y", "N", "not at all", "ye", "nobody", ""])
        return {"answer": text, "reading": mme.parse_pred_ans(text.strip())}
    add("yes-no", yes_no)

    def exact():
        text, right = rng.choice([made_text(), rng.choice(WORDS)]), rng.choice(WORDS)
        text = rng.choice([text, right.upper(), right + "!"])
        return {"answer": text, "reference": right, "score": float(metrics.exact_match_hf_evaluate(predictions=[text.strip()], references=[right], ignore_case=True, ignore_punctuation=True)["exact_match"])}
    add("exact-match-lmms", exact)

    def relaxed():
        right = rng.choice(["12", "3.5", "-4", "1250", "40%", "1000", "0.5", "Blue", "0", "yes", "12.25", "nan", "inf"])
        text = rng.choice([made_text(), right, right.lower() + rng.choice(["", "%", ".0", " "]), str(rng.uniform(0.9, 1.1) * 12)])
        return {"answer": text, "reference": right, "score": float(chartqa.chartqa_process_results({"type": "", "answer": right}, [text.strip()])["relaxed_overall"])}
    add("relaxed-accuracy", relaxed)

    def choices():
        return rng.sample(["a dog", "two cats", "red", "Blue", "the bench", "None", "3.5", "12"], rng.randrange(2, 5))

    def science():
        options, text = choices(), made_text()
        answer = rng.randrange(len(options))
        text = rng.choice([text, "ABCD"[answer], f"{'ABCD'[answer]}. {options[answer]}"])
        return {"answer": text, "reference": "ABCD"[answer], "score": scienceqa.sqa_process_results({"choices": options, "answer": answer}, [text.strip()])["exact_match"]}
    add("letter-before-period", science)

    def first():
        right, text = rng.choice("ABCD"), made_text()
        raw = seed.seed_process_result({"answer": right, "data_type": "image", "question_id": 0}, [text.strip()])["seed_all"]
        return {"answer": text, "reference": right, "reading": raw["pred"], "score": float(seed.seed_aggregation_result([raw]))}
    add("first-character", first)

    flexible = ai2d.MultiChoiceRegexFilter(regex_pattern="([A-Z])\\.")

    def leading():
        text = rng.choice([made_text(), f" {rng.choice('ABCD')}. word"])
        read, right = flexible.apply([[text]], [{}])[0].strip(), rng.choice("ABCD")
        return {"answer": text, "reference": right, "reading": read, "score": float(metrics.exact_match_hf_evaluate(predictions=[read], references=[right], ignore_case=True, ignore_punctuation=True)["exact_match"])}
    add("leading-letter", leading)

    evaluator = mmbench.mmbench_evaluator
    from lmms_eval.tasks._task_utils.mcq_extract import extract_mcq_answer

    def bench():
        options = choices()
        text = rng.choice([made_text(), f"I see {rng.choice(options)}", f"{rng.choice('ABCD')}, surely"])
        item = {**{c: options[n] if n < len(options) else None for n, c in enumerate("ABCD")}, "prediction": text.strip()}
        found = evaluator.prefetch_answer(item) or extract_mcq_answer(text.strip(), choices=["A", "B", "C", "D"][: len(options)])
        return {"answer": text, "choices": options, "reading": found}
    add("mmbench-letter", bench)

    def letter():
        options, text = choices(), made_text()
        text = rng.choice([text, f"In my view it is rather clearly {rng.choice(options)} and not {rng.choice(options)}"])
        asked["id"] = "1"
        index, letters = mcq.get_multi_choice_info(options)[0], mcq.get_multi_choice_info(options)[1]
        return {"answer": text, "choices": options, "reading": mmmu.parse_multi_choice_response(text.strip(), letters, index)}
    add("mmmu-letter", letter)

    def open_ended():
        text, right = made_text(), rng.choice(["12", "3.5", "red", "a dog", "B", "1250", "0.125", "1,250", "yes", "2.675"])
        parsed = mmmu.parse_open_response(text.strip())
        return {"answer": text, "reference": right, "reading": sorted((p for p in parsed if isinstance(p, str) or abs(p) < 1e308), key=str), "score": float(mmmu.eval_open(right, parsed))}
    add("mmmu-open", open_ended)

    def similar():
        right = [rng.choice(WORDS + ["June 3, 1998", "straße", "  two   cats "]) for _ in range(rng.randrange(1, 4))]
        base = rng.choice(right)
        text = rng.choice([base, base.upper(), base[: len(base) // 2], base[1:] + "x", made_text(), base.replace(" ", "  "), ""])
        return {"answer": text, "references": right, "score": float(metrics.anls(references=right, predictions=[text.strip()])["anls"])}
    add("anls-lmms", similar)

    def ocr():
        right = [rng.choice(WORDS + ["Ｗｏｒｄ 12", "x ^ 2", "STOP"]) for _ in range(rng.randrange(1, 3))]
        text = rng.choice([made_text(), f"it says {rng.choice(right)}", rng.choice(right).upper(), "Word　12", "x^2 "])
        source = rng.choice(["HME100k", "IIIT5K"])
        return {"answer": text, "references": right, "kind": source, "score": float(ocrbench.ocrbench_process_results({"answer": right, "dataset": source, "question_type": ""}, [text.strip()])["ocrbench_accuracy"]["score"])}
    add("ocrbench", ocr)

    def box():
        right = sorted(round(rng.random(), 2) for _ in range(2)) + sorted(round(rng.random(), 2) for _ in range(2))
        right = [right[0], right[2], right[1] + 0.01, right[3] + 0.01]
        near = [round(value + rng.uniform(-0.2, 0.2), 2) for value in right]
        text = rng.choice([f"{near}", f"The box is [ {near[0]},{near[1]}, {near[2]}, {near[3]} ].", f"({near[0]}, {near[1]})", "[1, 2, 3]", "none", f"[0, 0, 1, 1] or {near}"])
        pred = refcoco.parse_float_sequence_within(text.strip())
        return {"answer": text, "reference": json.dumps(right), "reading": pred, "score": float(refcoco.compute_iou(right, pred)), "half": float(refcoco.compute_accuracy(right, pred)), "centre": float(refcoco.compute_center_accuracy(right, pred))}
    add("box", box)

    def pope_case():
        right, text = rng.choice(["yes", "no"]), rng.choice(["yes", "no", "Yes", " No", "yes.", made_text()])
        raw = pope.pope_process_results({"answer": right, "question_id": 0}, [text.strip()])["pope_accuracy"]
        return {"answer": text, "reference": right, "reading": raw["prediction"], "score": raw["score"], "raw": raw}
    add("pope", pope_case)
    raws = [case.pop("raw") for case in cases["pope"]]
    totals = {"pope-f1": pope.pope_aggregate_f1_score(raws), "pope-precision": pope.pope_aggregate_precision(raws), "pope-recall": pope.pope_aggregate_recall(raws),
              "pope-accuracy": pope.pope_aggregate_accuracy(raws), "pope-yes-references": pope.pope_aggregate_yes_ratio(raws)}

    def vqa():
        few = rng.sample(WORDS + ["1,000", "don't know", "dont know", "it's a dog!", "e-mail", "two", "2"], 3)
        answers = [rng.choice(few) for _ in range(10)]
        text = rng.choice([rng.choice(few), rng.choice(few).upper() + ".", made_text()])
        return {"answer": text, "references": list(answers), "score": float(textvqa.textvqa_process_results({"answers": list(answers), "question_id": 0}, [text.strip()])["exact_match"])}
    add("vqa-accuracy", vqa)

    pairs, raw = [], []
    for n in range(250):
        category = rng.choice(mme.eval_type_dict["Perception"] + mme.eval_type_dict["Cognition"])
        answers = [rng.choice(["Yes", "no", "No.", "yes, it is", "maybe"]) for _ in range(2)]
        pairs.append({"category": category, "answers": answers, "references": ["Yes", "No"]})
        for text, right in zip(answers, ["Yes", "No"]):
            [(key, value)] = mme.mme_process_results({"answer": right, "category": category, "question_id": n}, [text]).items()
            raw.append((key, value))
    totals["mme-perception"] = mme.mme_aggregate_results([r for key, r in raw if key == "mme_perception_score"])
    totals["mme-cognition"] = mme.mme_aggregate_results([r for key, r in raw if key == "mme_cognition_score"])
    return {"cases": cases, "pairs": pairs, "totals": totals}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for make in [make_gqa, make_vqav2, make_textvqa, make_vizwiz, make_pope, make_mme, make_scienceqa, make_seedbench, make_mmbench, make_mmmu, make_ocrbench, make_chartqa, make_docvqa, make_ai2d, make_refcoco]:
        make()
    (OUT / "expected.json").write_text(json.dumps(tasks, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")
    path = ROOT / "packages/metrics/goldens/benchmarks.json.gz"
    path.write_bytes(gzip.compress(json.dumps(made_cases(), ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))


main()
