"""VQA accuracy of varied answers by its authors' evaluation, and by lmms-eval's, which always normalises.

Needs: vqaEvaluation/vqaEval.py of github.com/GT-Vision-Lab/VQA (Python 2; what it prints is left out), and a checkout of
       github.com/EvolvingLMMs-Lab/lmms-eval of 2026 (lmms_eval/tasks/_task_utils/vqa_eval_metric.py, lmms_eval/tasks/vqav2/utils.py).
Run:   python3 tools/reference/metrics_vqa.py <path of vqaEval.py> <folder of lmms-eval>
Writes packages/metrics/goldens/vqa.json.gz
"""

import copy
import gzip
import json
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

ANSWERS = (
    "yes|no|Yes|yes.|2|two|Two|none|zero|0|ten|a dog|the dog|dog|an apple|apple|red|red car|the red Car|dont know|don't know|Im here|i'm here|"
    "1,000|1000|1,000 cats|3.5|3.5 m.|3.5 m|left/right|left right|black & white|black and white|it's a dog!|its dog|it's dog|e-mail|email|e mail|"
    "somebody'd go|somebodyd go|U.S.A.|USA|what?|what ?|(blue)|blue|blue; green|blue green|blue;green|hot-dog|hot dog|5 + 5|5+5|5 5|youre|you're|"
    "naïve|café|模型|🙂|  padded  |new\nline|new line|tab\there|tab here|...|. . .|the|a|it'd've|itd've|well > bad|a.b.c|\"quoted\"|quoted|x_y|x y|10,5.|10 , 5"
).split("|")


def evaluation(path):
    source = Path(path).read_text()
    source = re.sub(r"^(\s*)print .*$", r"\1pass", source, flags=re.MULTILINE).replace("\t", "    ")
    module = {}
    exec(compile(source, path, "exec"), module)
    module["VQAEval"].updateProgress = lambda self, progress: None
    return module["VQAEval"]


def lmms_eval(folder):
    """vqav2_process_results of its two files alone: the package asks for much that is not needed here."""
    source = "\n".join(
        (Path(folder) / "lmms_eval/tasks" / file).read_text() for file in ["_task_utils/vqa_eval_metric.py", "vqav2/utils.py"]
    )
    source = re.sub(r"^(from loguru|import lmms_eval|from lmms_eval).*$", "", source, flags=re.MULTILINE)
    module = {}
    exec(compile(source, folder, "exec"), module)
    return module["vqav2_process_results"]


def main():
    rng = random.Random(9)
    vqa_eval = evaluation(sys.argv[1])
    cases = []
    for _ in range(600):
        few = rng.sample(ANSWERS, rng.randrange(1, 5))
        people = [rng.choice(few) for _ in range(rng.choice([10, 10, 10, 4, 5]))]
        prediction = rng.choice(few + [rng.choice(ANSWERS)])
        cases.append({"prediction": prediction, "references": people})
    # Where people all agree, the two evaluations part ways.
    for answer in ANSWERS:
        for prediction in (answer.upper(), f"the {answer}", f"{answer}."):
            cases.append({"prediction": prediction, "references": [answer] * 10})
    questions, answers = {}, {}
    for i, case in enumerate(copy.deepcopy(cases)):
        people = [{"answer": answer, "answer_id": n} for n, answer in enumerate(case["references"])]
        questions[i] = {"answers": people, "question_type": "what", "answer_type": "other"}
        answers[i] = {"answer": case["prediction"]}
    vqa = SimpleNamespace(qa=questions, getQuesIds=lambda: list(questions))
    run = vqa_eval(vqa, SimpleNamespace(qa=answers), n=14)
    run.evaluate()
    # The evaluation gives percent.
    for i, case in enumerate(cases):
        case["accuracy"] = run.evalQA[i] / 100
    process = lmms_eval(sys.argv[2])
    for case in cases:
        people = [{"answer": answer, "answer_id": n} for n, answer in enumerate(case["references"])]
        case["always"] = process({"answers": people, "question_id": 0}, [case["prediction"]])["exact_match"]
    path = Path(__file__).parents[2] / "packages/metrics/goldens/vqa.json.gz"
    path.write_bytes(gzip.compress(json.dumps(cases, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))
    print(len(cases), "cases, mean", *(sum(case[key] for case in cases) / len(cases) for key in ["accuracy", "always"]))


main()
