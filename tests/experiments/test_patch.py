"""`interp patch` asks its questions of a chat model in that model's chat template."""

from __future__ import annotations

import copy

import interp
from experiments.patch import PatchSettings
from probes.patching.contrasts import contrasts
from tests.support.tiny import tiny_hf, tiny_tokenizer

CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}<assistant>"


def test_a_pair_in_chat_differs_in_the_question_alone():
    tokenizer = copy.deepcopy(tiny_tokenizer("qwen2"))
    tokenizer.chat_template = CHAT
    model = interp.load(tiny_hf("qwen2"), tokenizer=tokenizer)
    plain, chat = (PatchSettings(languages=("deu_Latn",), limit=8, chat=chat).read_task(model) for chat in (False, True))
    assert chat.prompts["deu_Latn"][0] == f"<user>{plain.prompts['deu_Latn'][0].strip()}<assistant>"
    for pair in contrasts(chat, "deu_Latn"):
        for prompt in (pair.clean, pair.corrupt):
            assert prompt.startswith("<user>")
            assert prompt.endswith("<assistant>")
            assert 6 <= prompt.index("[[") < prompt.index("]]") <= len(prompt) - len("<assistant>")
